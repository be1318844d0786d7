"""What people read: texts, numbers, colors, progress, errors and exit codes, without secrets."""
