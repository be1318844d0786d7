"""The StatisticsGen, ImportSchemaGen and ExampleValidator nodes: statistics of the rows, and their check."""
