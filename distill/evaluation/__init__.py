"""Evaluation on lm-evaluation-harness: the ICL gap of a model and a sweep over checkpoints."""
