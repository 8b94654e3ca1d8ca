"""`icl-distill bake`: from a prompt that works to weights that need it no more."""

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from distill.commands.run import INTERRUPTED
from distill.evaluation.settings import BACKENDS, add_context_arguments
from distill.pipeline import NEEDED
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.extras import require


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options; what it does not know are the training's."""
    parser.epilog = (
        "All other options are keys of a training config, such as --learning_rate 5e-4 or --lora_r 32."
    )
    add = parser.add_argument
    add("--model", required=True, help="hub name, folder, or 'demo'")
    add("--task", help="a benchmark, a task of lm-eval, a YAML or a JSONL file")
    add("--output", type=Path, required=True, help="folder for everything that is written")
    add(
        "--num_fewshot", type=int, help="demonstrations; default: all of a file's, the task's own number else"
    )
    add("--inputs", metavar="JSONL", help="rows to learn from; those without a completion are answered")
    add("--train_split", help="of an lm-eval task: the split to learn from")
    add("--limit", type=int, help="learn from no more rows than this")
    add("--n_samples", type=int, help="evaluate no more rows than this")
    add("--max_new_tokens", type=int, help="longest answer; default: by the answers that are known")
    add("--backend", choices=BACKENDS, help="what evaluates; default: hf")
    add("--dtype", help="of the weights; default: float32 on CPUs, bfloat16 on GPUs")
    add("--batch_size", type=int, default=64, help="prompts at once on the hf backend")
    add("--accelerate_config", metavar="FILE", help="for `accelerate launch`; default: one process")
    add("--baseline", choices=["sft", "none"], default="sft", help="plain fine-tuning on the labels at hand")
    add("--method", choices=["off_policy", "on_policy"], default="off_policy", help="who writes the answers")
    add("--n_answers", type=int, default=1, help="answers drawn of each input; 1: the greedy one")
    add("--keep", choices=["all", "correct"], default="all", help="which written answers are learnt from")
    add("--by", metavar="COLUMN", help="score the evaluated rows apart by the values of a column")
    add("--seed", type=int, default=42)
    add("--merge", action="store_true", help="write merged weights as well")
    add("--force", action="store_true", help="go on though the prompt does not help")
    add("--dry_run", action="store_true", help="say what would be done, and write nothing")
    add_context_arguments(parser)
    parser.set_defaults(rest=[])


def run(args: argparse.Namespace) -> int:
    """Bake, and end with five lines for a person; 3 if the prompt does not help."""
    require(*NEEDED)
    from distill.pipeline.bake.bake import NOT_BETTER, NotBetterError, dry_run, run_bake
    from distill.pipeline.bake.outcome import five_lines
    from distill.pipeline.bake.request import BakeRequest

    given = {f.name: getattr(args, f.name) for f in fields(BakeRequest) if hasattr(args, f.name)}
    given = {name: value for name, value in given.items() if value is not None}
    if args.demonstration_seed is not None:
        raise UserError("--demonstration_seed is no option of a bake; name the demonstrations by a file.")
    given["document"] = tuple(args.document or ())
    request = BakeRequest(**given, training=training_keys(args.rest))
    if args.dry_run:
        print(dry_run(request))
        return 0
    try:
        outcome = run_bake(request)
    except NotBetterError as error:
        print(f"icl-distill bake: {error}", file=sys.stderr)
        return NOT_BETTER
    except KeyboardInterrupt:
        print("\nicl-distill bake: interrupted. Give the same command again to go on.", file=sys.stderr)
        return INTERRUPTED
    print("\n" + five_lines(outcome))
    return 0


def training_keys(words: list[str]) -> dict[str, Any]:
    """`--key value` pairs of a training config, read as YAML would.

    Raises:
        UserError: a word is no option, or a value is no YAML.
    """
    keys: dict[str, list[str]] = {}
    name = None
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            name = name.replace("-", "_")
            keys[name] = [value] if value else []  # given again, the last one counts, as with other options
        elif name is None:
            raise UserError(f"unrecognized argument {word!r}; see --help.")
        else:
            keys[name].append(word)
    read = {name: [_read(name, value) for value in values] for name, values in keys.items()}
    return {name: values[0] if len(values) == 1 else (values or True) for name, values in read.items()}


def _read(name: str, word: str) -> Any:
    """A number, a boolean, JSON or a text; YAML alone would take 5e-4 for a text."""
    import yaml

    try:
        value = yaml.safe_load(word)
    except yaml.YAMLError:
        raise UserError(f"--{name}: {word!r} cannot be read as YAML; put it in quotes.") from None
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
