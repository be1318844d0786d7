"""Model card of a pushed model: its contents, and its form as Markdown and HTML."""
