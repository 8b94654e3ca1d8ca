"""IFEval's 25 instructions as constraints: rows of other benchmarks, and rewards, may name them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from lm_eval_tasks.benchmarks.ifeval.scorer import INSTRUCTION_IDS
from lm_eval_tasks.benchmarks.ifeval.scorer.arguments import bind_official
from lm_eval_tasks.benchmarks.ifeval.scorer.text import Text
from lm_eval_tasks.scoring.constraints.definition import Check, Constraint
from lm_eval_tasks.scoring.constraints.registry import OWN


def _bind(name: str, arguments: Mapping[str, Any], prompt: str) -> Check:
    instruction = bind_official(name, arguments)
    return lambda text: instruction(Text(text))


OWN.update({name: Constraint(name, partial(_bind, name), __name__) for name in INSTRUCTION_IDS})
