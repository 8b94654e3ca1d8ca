"""`icl-distill bake`: one command from a prompt that works to weights that need it no more."""
