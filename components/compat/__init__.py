"""The private parts of libraries that BigVocab uses: patches, hooks, attributes and modules. One module a library.

Every entry has three lines: the reason, the versions that were seen to need it, and the condition for its removal.
A module imports its own library and those below it, and nothing of BigVocab.
"""
