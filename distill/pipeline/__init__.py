"""The whole job as stages: gap -> training -> evaluation -> report."""
