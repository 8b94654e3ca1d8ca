"""A causal language model as distillation runs it: packed rows, a shared prefix, its output head."""
