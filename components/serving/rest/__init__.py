"""REST interface of TensorFlow Serving: signatures, inputs and answers as JSON."""
