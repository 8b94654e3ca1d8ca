"""`icl-distill cache-teacher`: the teacher runs once over all rows."""
