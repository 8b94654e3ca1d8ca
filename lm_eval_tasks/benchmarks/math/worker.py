"""The process that compares two LaTeX expressions; started and killed by `verifier`.

Reads JSON lines `[target, answer]`, writes JSON lines `true` or `false`, after a first line that is `null`
when all is well and the reason otherwise. Runs as a script, apart from our package, so that nothing but
math-verify is imported. It has no time limit of its own: sympy can hang where no signal reaches it, so
whoever started it kills it.
"""

import json
import logging
import os
import sys

MEMORY_LIMIT_BYTES = 4 << 30


def main() -> None:
    """Answer requests until the input ends, which it does when the parent dies."""
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever libraries print must not look like an answer
    logging.disable(logging.CRITICAL)
    _limit_memory()
    try:
        import math_verify
    except ImportError as error:
        print(json.dumps(str(error)), file=results, flush=True)
        return

    # LaTeX alone: the plain-expression reader evaluates what it reads.
    config = [math_verify.LatexExtractionConfig(boxed_match_priority=0)]

    def read(expression: str) -> list[object]:
        boxed = f"\\boxed{{{expression}}}"
        return list(math_verify.parse(boxed, config, parsing_timeout=None))

    print(json.dumps(None), file=results, flush=True)
    for line in sys.stdin:
        target, answer = json.loads(line)
        try:
            equal = bool(math_verify.verify(read(target), read(answer), timeout_seconds=None))
        except (Exception, RecursionError, MemoryError):
            equal = False
        print(json.dumps(equal), file=results, flush=True)


def _limit_memory() -> None:
    """Powers such as 9^{9^9} must fail here rather than take the machine down."""
    try:
        import resource
    except ImportError:  # no such limits on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))


if __name__ == "__main__":
    main()
