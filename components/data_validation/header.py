"""Comment at the start of a schema file, which explains its fields."""

SCHEMA_HEADER = """\
# proto-file: tensorflow_metadata/proto/v0/schema.proto
# proto-message: tensorflow.metadata.v0.Schema
#
# What the data of every run must keep to. Inferred from data: read it, and tighten what you know better.
# Often worth a change:
#   presence          share of the rows that must have the column
#   value_count       least and most values in a row
#   domain            known values; distribution_constraints says which share of the rows must have one of them
#   float_domain      least and greatest number
#   skew_comparator   how far the shares of values may lie from those of the train split (greatest difference)
#   drift_comparator  the same between spans of time
#   annotation        "by_rows": splits of few rows may depart further, as far as chance explains, with 1 false alarm
#                     in 1,000 columns; without this tag the limits hold for any number of rows
"""
