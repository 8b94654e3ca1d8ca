"""The tasks as lm-evaluation-harness sees them; the only room that imports it."""
