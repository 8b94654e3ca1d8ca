"""Training runs: configuration, rows, trainer, launch, resume, held-out divergence."""
