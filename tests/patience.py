"""How long a test waits for another process."""

PATIENCE = 900
"""Seconds until it is taken to hang; on a busy machine a start alone takes a minute."""
