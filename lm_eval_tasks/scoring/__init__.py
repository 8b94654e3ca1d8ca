"""Scorers: pure, typed, offline functions from a response to a verdict; see README.md beside this file."""
