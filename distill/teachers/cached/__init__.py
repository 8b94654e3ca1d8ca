"""Cached teacher targets: the teacher runs once over all rows, and training reads what it said."""
