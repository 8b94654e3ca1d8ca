"""Names of what a training leaves, for those that look for it without loading the libraries of a training."""

SETTINGS_FILE = "run_config.yaml"
FINISHED_FILE = "finished.json"
"""What a training leaves when it has come to its end: its last step and its seconds (null: resumed)."""
