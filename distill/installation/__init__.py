"""The installation: the task files among lm-eval's own, and what `icl-distill doctor` looks at."""
