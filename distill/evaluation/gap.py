"""The ICL gap: one model, loaded once, asked with every number of demonstrations."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from distill.evaluation.engines import check_model, open_engine
from distill.evaluation.results import Entry, ResultsFile
from distill.evaluation.session import Clock, Session, prepare_questions
from distill.evaluation.settings import EvalSettings


def measure_gap(
    settings: EvalSettings, num_fewshot: Mapping[str, Sequence[int]], output: Path
) -> list[Entry]:
    """Measure what `output` does not hold yet; every result is saved as it is there.

    Args:
        settings: The model and how it is asked.
        num_fewshot: For each benchmark, the numbers of demonstrations.
        output: The results file.

    Returns:
        The wanted entries, old and new.

    Raises:
        UserError: bad input; before the model is loaded, except for prompts that exceed its context.
    """
    file = ResultsFile(output, "gap")
    questions = prepare_questions(settings, num_fewshot)
    session = Session(settings, file, check_model(settings.model))
    base = session.base()
    todo = [question for question in questions if not session.is_done(base, question)]
    if todo:
        engine = open_engine(settings)
        clock = Clock(len(todo))
        with engine.serve() as lm:
            for question in todo:
                clock.next(f"{settings.model}: {question}")
                session.run(lm, engine.dtype(lm), base, question)
        engine.close()
    wanted = [("base", None, question.benchmark, question.num_fewshot) for question in questions]
    return [entry for key in wanted if (entry := file.find(key))]
