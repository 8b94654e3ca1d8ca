"""The whole job as stages: gap -> training -> evaluation -> report."""

NEEDED = ("train", "report")
"""The extras of a whole job, seen to before it begins: the report comes last, after hours of training."""
