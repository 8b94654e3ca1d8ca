"""IFEval's rows by the names that the recipe's documents give them: episodes, and their token rows.

    from src.data.ifeval_loader import load_ifeval, IFEvalDistillDataset
    from transformers import AutoTokenizer
    exs = load_ifeval('train')
    ds = IFEvalDistillDataset(exs, AutoTokenizer.from_pretrained('Qwen/Qwen3-1.7B'), num_fewshot=4)

From the repository's root. What the documents' words mean here: docs/reproduce.md.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from transformers import PreTrainedTokenizerBase

from distill.encoding.token_rows import Budgets, Row, build_rows
from lm_eval_tasks.benchmarks.ifeval import BENCHMARK
from lm_eval_tasks.episodes import Episode
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.demonstrations import without_overlap
from lm_eval_tasks.sources import TaskSpec

SPLITS = ("train", "test")


def load_ifeval(split: str, data: str | None = None) -> list[dict[str, Any]]:
    """The rows of a split, in the schema of the hub.

    Args:
        split: `train`: argilla/ifeval-like-data's compliant rows, without prompts that are evaluated; `test`:
            google/IFEval's, which have no `response`.
        data: `hub`, `sample` or a folder; default: `ICL_DATA_DIR`, else `hub`.

    Raises:
        UserError: unknown split, or data that cannot be loaded.
    """
    if split not in SPLITS:
        raise UserError(f"split: {split!r} cannot be used; choose from {', '.join(SPLITS)}.")
    source = TaskSpec(BENCHMARK.name, data=data).open()
    return [
        {
            "key": episode.id,
            "prompt": episode.question,
            **({} if episode.completion is None else {"response": episode.completion}),
            "instruction_id_list": list(episode.reference["instruction_id_list"]),
            "kwargs": json.loads(episode.reference["kwargs"]),
        }
        for episode in (source.train() if split == "train" else source.evaluation())
    ]


class IFEvalDistillDataset(Sequence[Row]):
    """Training rows as token ids, made when they are asked for; see `distill.encoding.token_rows.Row`."""

    def __init__(
        self,
        examples: Sequence[Mapping[str, Any]],
        tokenizer: PreTrainedTokenizerBase,
        num_fewshot: int = 4,
        *,
        demonstrations: str = "fixed",
        seed: int = 42,
        max_length: int | None = None,
        teacher_max_length: int | None = None,
        data: str | None = None,
    ) -> None:
        """Nothing is tokenised yet.

        Args:
            examples: Rows of `load_ifeval('train')`.
            tokenizer: The student's, which is the teacher's as well.
            num_fewshot: Demonstrations that the teacher reads.
            demonstrations: `fixed`: the same before every row, as in training and in the gap (before one of
                them, the others); `per_example`: others for each.
            seed: Of their choice.
            max_length: Tokens of question and answer; a row that has more is an error. None: no limit.
            teacher_max_length: The same with demonstrations, the last of which are left out; None: no limit.
            data: Where demonstrations come from, as in `load_ifeval`.

        Raises:
            UserError: a row lacks a field, or data cannot be loaded.
        """
        spec = TaskSpec(
            BENCHMARK.name,
            data=data,
            num_fewshot=num_fewshot,
            demonstrations=demonstrations,
            demonstration_seed=seed,
        )
        source = spec.open()
        self._episodes = [BENCHMARK.parse(row, str(n), f"examples[{n}]") for n, row in enumerate(examples)]
        self._picker = source.picker(num_fewshot, demonstrations, seed)
        self._teach = partial(spec.context(source).prompt, source)
        self._tokenizer = tokenizer
        self._budgets = Budgets(student=max_length, teacher=teacher_max_length)

    def __len__(self) -> int:
        return len(self._episodes)

    def __getitem__(self, index: Any) -> Any:
        """A row, or a list of rows for a slice.

        Raises:
            UserError: a row has no answer, or does not fit its limits.
        """
        chosen = self._episodes[index]
        episodes = chosen if isinstance(index, slice) else [chosen]
        rows = [self._row(episode) for episode in episodes]
        return rows if isinstance(index, slice) else rows[0]

    def _row(self, episode: Episode) -> Row:
        return build_rows([episode], self._pick, self._teach, self._tokenizer, budgets=self._budgets)[0][0]

    def _pick(self, episode: Episode) -> list[Episode]:
        if fixed := self._picker.fixed:
            return without_overlap(fixed, [episode])[0]
        return self._picker.pick(episode)
