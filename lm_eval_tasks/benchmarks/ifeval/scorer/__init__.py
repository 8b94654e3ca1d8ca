"""IFEval: the 25 official instruction types, strict and loose.

Verdicts equal those of the official checkers as lm-evaluation-harness ships them, their defects included
(listed in ../README.md), with the language identification seeded. Paper: https://arxiv.org/abs/2311.07911.
"""

from lm_eval_tasks.benchmarks.ifeval.scorer.registry import CHECKERS
from lm_eval_tasks.benchmarks.ifeval.scorer.verdict import IFEvalVerdict, check

INSTRUCTION_IDS = tuple(sorted(CHECKERS))

__all__ = ["INSTRUCTION_IDS", "IFEvalVerdict", "check"]
