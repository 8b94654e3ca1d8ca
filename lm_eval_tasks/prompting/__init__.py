"""What stands before a question."""
