"""How a command ends, when it is not 0."""

FAILED = 1
WRONG = 2
INTERRUPTED = 130
