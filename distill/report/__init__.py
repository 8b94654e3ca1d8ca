"""The report: tables and a figure out of results files."""
