"""Workers for engines of Beam's that run outside this process."""
