"""`icl-distill link-tasks`: `lm_eval --tasks ifeval_icl` without a flag."""

import argparse

from distill.installation.harness_tasks import link_tasks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options."""
    parser.epilog = (
        "Links the task files into the folder of the lm-eval that is installed beside this package. Needed "
        "once, and after each upgrade of lm-eval. An editable lm-eval is left alone."
    )


def run(args: argparse.Namespace) -> int:
    """Link, and say where."""
    folder = link_tasks()
    print(f"{folder}: {len(list(folder.iterdir()))} task files; lm_eval finds them without a flag")
    return 0
