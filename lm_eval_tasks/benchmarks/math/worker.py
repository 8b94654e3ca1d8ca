"""The process that compares two LaTeX expressions; started by `verifier`, with processor seconds for each.

Reads JSON lines `[target, answer]`, writes JSON lines `true` or `false`, after a first line that is `null`
when all is well and the reason otherwise. Runs as a script, apart from our package, so that nothing but
math-verify is imported. At its time limit the system ends it: sympy can hang where no handler of a signal
is reached.
"""

import json
import logging
import os
import sys
import time

try:
    import resource
except ImportError:  # no such limits on Windows
    resource = None  # type: ignore[assignment]

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
        _limit_time(int(sys.argv[1]))
        try:
            equal = bool(math_verify.verify(read(target), read(answer), timeout_seconds=None))
        except (Exception, RecursionError, MemoryError):
            equal = False
        print(json.dumps(equal), file=results, flush=True)


def _limit_memory() -> None:
    """Powers such as 9^{9^9} must fail here rather than take the machine down."""
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(seconds: int) -> None:
    """From now on; what was used before is rounded up."""
    if resource is not None:
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        limit = int(time.process_time()) + 1 + seconds
        resource.setrlimit(
            resource.RLIMIT_CPU, (limit if most == resource.RLIM_INFINITY else min(limit, most), most)
        )


if __name__ == "__main__":
    main()
