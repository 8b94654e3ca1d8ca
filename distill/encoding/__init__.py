"""Messages -> token ids -> rows -> batches."""
