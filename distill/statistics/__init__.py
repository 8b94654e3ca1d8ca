"""Paired tests, intervals and means over seeds; nothing here knows a file or a model."""
