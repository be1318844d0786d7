"""Retention: removal of the artifacts that no recent run, blessed model or pushed version needs (`artifacts.keep`)."""
