"""The Trainer node: from transformed examples to an exported model."""
