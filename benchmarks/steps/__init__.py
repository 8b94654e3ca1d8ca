"""What `trainers.py` and `gpu.py` share: rows, models, trainers, clocks, tables."""
