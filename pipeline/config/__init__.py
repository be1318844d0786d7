"""The typed configuration: its specs, presets, loading and JSON schema."""
