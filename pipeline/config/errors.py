"""Error of a faulty configuration."""


class ConfigurationError(Exception):
    """Error for a faulty configuration. The message has a line per fault: file, line, key and expected value."""
