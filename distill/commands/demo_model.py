"""`icl-distill demo-model`: build the embedded default model and print its folder."""

import argparse

from distill.model.demo_model import build_demo_model
from lm_eval_tasks.extras import require


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options; the environment variable ICL_CACHE_DIR moves the cache."""


def run(args: argparse.Namespace) -> int:
    """Build and print."""
    require("eval")
    print(build_demo_model())
    return 0
