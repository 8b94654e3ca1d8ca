"""Users' mistakes under the command `lm_eval`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lm_eval_tasks.errors import UserError


@contextmanager
def told_plainly() -> Iterator[None]:
    """Under the command `lm_eval` a user's mistake ends the run with its message instead of a traceback.

    The harness has no place for such errors. From Python the exception passes as it is.
    """
    try:
        yield
    except UserError as error:
        program = Path(sys.argv[0])  # bin/lm_eval, bin/lm-eval, or .../lm_eval/__main__.py
        if {program.name, program.parent.name}.isdisjoint({"lm_eval", "lm-eval"}):
            raise
        raise SystemExit(f"lm_eval: {error}") from None
