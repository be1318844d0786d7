"""The ML Metadata store and the record that runs leave in it."""
