"""The Pusher node: delivery of a model to the folder of the model server."""
