"""Workers for Beam engines that run outside this process."""
