"""Who teaches: the frozen base, its moving average, another model, or targets on disk."""
