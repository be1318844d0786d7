"""Conversion of pushed models to files of other programs: NumPy and ONNX."""
