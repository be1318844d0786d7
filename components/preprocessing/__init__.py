"""The AnalyzerCache and Transform nodes: vocabularies, scaled numbers, and rows as ids."""
