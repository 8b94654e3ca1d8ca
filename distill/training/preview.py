"""One training row, as the teacher and the student read it."""

import argparse
from dataclasses import replace
from functools import partial

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from distill.encoding.token_rows import Budgets, build_rows
from distill.model.demo_model import resolve_model
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.demonstrations import without_overlap
from lm_eval_tasks.sources import TaskSpec


def preview(args: argparse.Namespace) -> str:
    """Token counts and decoded text of row `args.index`; options as in `icl-distill data preview`.

    Raises:
        UserError: the model's tokenizer cannot be loaded, or there is no such row.
    """
    tokenizer = _load_tokenizer(args.model)
    spec = TaskSpec.of(args)
    source = spec.open(chat=tokenizer.chat_template is not None)
    context = spec.context(source)
    picker = context.picker(source)
    episodes, _ = without_overlap(source.train(), picker.fixed)
    if not 0 <= args.index < len(episodes):
        raise UserError(f"--index {args.index}: {args.task} has training rows 0 to {len(episodes) - 1}.")
    episode = episodes[args.index]
    # An unlabelled row is shown without an answer.
    labelled = replace(episode, completion=episode.completion or "")
    (row,), _ = build_rows(
        [labelled],
        picker.pick,
        partial(context.prompt, source),
        tokenizer,
        budgets=Budgets(None, None),
        enable_thinking=args.enable_thinking,
    )
    answer = row["completion_ids"] if episode.completion is not None else []
    shown = f"{context.num_fewshot} demonstrations ({context.demonstrations})"
    sections = [f"row {episode.id} of {source.name}, {shown}"]
    for reader, prompt in (("teacher", row["teacher_prompt_ids"]), ("student", row["prompt_ids"])):
        sections.append(
            f"--- {reader}: {len(prompt)} prompt tokens + {len(answer)} answer tokens\n"
            f"{tokenizer.decode(prompt)}"
        )
    if episode.completion is None:
        sections.append("--- no answer: the teacher or the student writes it")
    else:
        sections.append(f"--- answer, the same {len(answer)} tokens for both\n{tokenizer.decode(answer)}")
    return "\n".join(sections)


def _load_tokenizer(model: str) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(resolve_model(model))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"--model {model!r}: its tokenizer cannot be loaded ({reason}). Name a local folder, a model of "
            "the Hugging Face hub, or 'demo' for the embedded one."
        ) from error
