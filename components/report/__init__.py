"""Results of a run: `summary.json` for programs, and `report.html` for people."""
