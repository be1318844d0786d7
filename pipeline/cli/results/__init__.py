"""Commands about runs and versions that exist."""
