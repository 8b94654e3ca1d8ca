"""On-policy distillation: who writes the answers that are trained on, and with what."""
