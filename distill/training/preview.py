"""One training row, as the teacher and the student read it."""

import argparse

from transformers import AutoTokenizer

from distill.encoding.token_rows import Budgets, build_rows
from distill.model.demo_model import resolve_model
from lm_eval_tasks.datasets import BENCHMARKS, load_train
from lm_eval_tasks.demonstrations import DemonstrationPicker
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.schemas import Example, same_question


def preview(args: argparse.Namespace) -> str:
    """Token counts and decoded text of row `args.index`; options as in `icl-distill data preview`.

    Raises:
        UserError: the model's tokenizer cannot be loaded, or there is no such row.
    """
    examples = load_train(args.task, args.data)
    if not 0 <= args.index < len(examples):
        raise UserError(f"--index {args.index}: {args.task} has training rows 0 to {len(examples) - 1}.")
    example = examples[args.index]
    k = BENCHMARKS[args.task].num_fewshot if args.num_fewshot is None else args.num_fewshot
    picker = DemonstrationPicker(_others(examples, example), k, args.demonstrations, args.demonstration_seed)
    tokenizer = _load_tokenizer(args.model)
    rows, _ = build_rows(
        [example], picker.pick, tokenizer, budgets=Budgets(None, None), enable_thinking=args.enable_thinking
    )
    row = rows[0]
    answer = row["completion_ids"]
    sections = [f"row {example.id} of {args.task}, {k} demonstrations ({args.demonstrations})"]
    for reader, prompt in (("teacher", row["teacher_prompt_ids"]), ("student", row["prompt_ids"])):
        sections.append(
            f"--- {reader}: {len(prompt)} prompt tokens + {len(answer)} answer tokens\n"
            f"{tokenizer.decode(prompt)}"
        )
    sections.append(f"--- answer, the same {len(answer)} tokens for both\n{tokenizer.decode(answer)}")
    return "\n".join(sections)


def _others(examples: list[Example], example: Example) -> list[Example]:
    question = same_question(example.question)
    return [other for other in examples if same_question(other.question) != question]


def _load_tokenizer(model: str) -> AutoTokenizer:
    try:
        return AutoTokenizer.from_pretrained(resolve_model(model))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"--model {model!r}: its tokenizer cannot be loaded ({reason}). Name a local folder, a model of "
            "the Hugging Face hub, or 'demo' for the embedded one."
        ) from error
