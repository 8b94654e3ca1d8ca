"""The tasks that show what was forgotten, asked bare."""

from collections.abc import Sequence

from distill.evaluation.measure import BARE, Question, prepare
from distill.evaluation.session import prepare_questions
from distill.evaluation.settings import EvalSettings
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.context import Context
from lm_eval_tasks.sources import TaskSpec
from lm_eval_tasks.sources.benchmark import choice_benchmark


def prepare_tasks(settings: EvalSettings, tasks: Sequence[str], data: str) -> list[Question]:
    """Load what would be asked.

    Args:
        settings: How models are asked.
        tasks: Benchmarks of this package, those of their tasks that compare options (`csqa_icl_mc`), and
            whatever `--task` takes elsewhere.
        data: Where the rows of this package's benchmarks are.

    Raises:
        UserError: see `prepare_questions`; or a task is named twice.
    """
    found: list[Question] = []
    for task in tasks:
        if tasks.count(task) > 1:
            raise UserError(f"--task {task} is named twice; name each task once.")
        spec = TaskSpec(task, data=data)
        if (member := choice_benchmark(task, data)) is not None:
            found.append(prepare(settings, member, spec, Context(num_fewshot=0), BARE))
        else:
            found += prepare_questions(settings, spec, [0], [BARE])
    return found
