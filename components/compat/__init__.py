"""Wrappers of private parts of libraries: patches, hooks, attributes and modules. Each module wraps one library.

Every entry has three lines: the reason, the versions known to need it, and the condition for its removal. A module
imports its own library and the dependencies of this library, and of BigVocab only this package and `components.files`.
"""
