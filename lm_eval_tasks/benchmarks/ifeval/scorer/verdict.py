"""From a response and its instructions to the verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval_tasks.benchmarks.ifeval.scorer.arguments import Instruction, bind
from lm_eval_tasks.benchmarks.ifeval.scorer.patterns import PatternTimeoutError
from lm_eval_tasks.benchmarks.ifeval.scorer.text import Text


@dataclass(frozen=True, slots=True)
class IFEvalVerdict:
    """One verdict per instruction, by position (an instruction type may occur twice in a prompt).

    Attributes:
        inst_level_strict: Whether the response itself follows each instruction.
        inst_level_loose: Whether any of the eight loose variants of the response does.
        unknown: What is said of unknown instruction ids, which no response follows.
    """

    inst_level_strict: tuple[bool, ...]
    inst_level_loose: tuple[bool, ...]
    unknown: tuple[str, ...] = ()

    @property
    def prompt_level_strict(self) -> bool:
        """Whether all instructions are followed, strictly; where there are none, nothing is."""
        return bool(self.inst_level_strict) and all(self.inst_level_strict)

    @property
    def prompt_level_loose(self) -> bool:
        """Whether all instructions are followed, loosely; each may be by another variant."""
        return bool(self.inst_level_loose) and all(self.inst_level_loose)


def check(
    response: str,
    *,
    instruction_id_list: Sequence[str],
    kwargs: str | Sequence[Mapping[str, Any] | None],
    prompt: str = "",
    fail_unknown: bool = False,
) -> IFEvalVerdict:
    """Check one response against the instructions of its prompt.

    Ids beside the official ones are constraints of `lm_eval_tasks.scoring.constraints`.

    Args:
        response: The answer as it is judged: split thinking off before (`split_thinking`).
        instruction_id_list: The prompt's instruction ids.
        kwargs: One mapping per instruction, sparse or filled with nulls; or all of them as one JSON string.
        prompt: The prompt; error messages quote it, and constraints that ask for the prompt get it.
        fail_unknown: Count unknown ids as not followed, and say so in the verdict.

    Raises:
        UserError: no instruction, a missing or unusable argument, lists of different lengths.
        UnknownConstraintError: an unknown id, unless `fail_unknown`.
    """
    unknown: list[str] = []
    instructions = bind(instruction_id_list, kwargs, prompt, unknown if fail_unknown else None)
    texts = _Variants(response)
    judged = [_judge(instruction, texts) for instruction in instructions]
    return IFEvalVerdict(
        tuple(strict for strict, _ in judged), tuple(loose for _, loose in judged), tuple(unknown)
    )


def _judge(instruction: Instruction, texts: "_Variants") -> tuple[bool, bool]:
    """Strict and loose; a keyword pattern that runs out of time counts as not followed."""
    try:
        strict = texts.strict.holds(instruction)
        return strict, strict or any(text.holds(instruction) for text in texts)
    except PatternTimeoutError:
        return False, False


class _Variants:
    """The response and, made when first asked for, the different ones among its loose variants."""

    def __init__(self, response: str) -> None:
        self.strict = Text(response)
        self._loose: list[Text] | None = None

    def __iter__(self) -> Iterator[Text]:
        if self._loose is None:
            different = dict.fromkeys(loose_variants(self.strict.raw))
            self._loose = [Text(variant) for variant in different if variant != self.strict.raw]
        return iter(self._loose)


def loose_variants(response: str) -> tuple[str, ...]:
    """The eight texts of the loose criterion.

    The response as it is, without its first line, without its last, without both; and those four without
    asterisks. Removing a line also strips the rest; the whole response is not stripped.
    """
    lines = response.split("\n")
    cut = ("\n".join(lines[1:]), "\n".join(lines[:-1]), "\n".join(lines[1:-1]))
    plain = (response, *(text.strip() for text in cut))
    return (*plain, *(text.replace("*", "") for text in plain))
