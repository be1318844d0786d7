"""Server of a pushed model: the REST interface of TensorFlow Serving, and a page to try the model."""
