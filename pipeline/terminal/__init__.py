"""Output for users in a terminal."""
