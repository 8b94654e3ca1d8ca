"""`icl-distill bake`: one command from a prompt that works to weights that need it no more."""

from distill.pipeline.bake.bake import bake

__all__ = ["bake"]
