"""Commands before the first run: check the machine, write a configuration and a schema."""
