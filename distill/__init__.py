"""The distillation library and the `icl-distill` command."""
