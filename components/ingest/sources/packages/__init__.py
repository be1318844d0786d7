"""Sources whose files come with an installed package."""
