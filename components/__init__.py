"""What each node of the pipeline does. Nothing here knows of runners or the command line."""
