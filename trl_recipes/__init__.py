"""Launchers for `accelerate launch`: SFT and few-shot distillation."""
