"""A benchmark of this package as a source of episodes."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from lm_eval_tasks import TASK_DIR
from lm_eval_tasks.benchmarks import BENCHMARKS, get_benchmark
from lm_eval_tasks.benchmarks.definition import Role
from lm_eval_tasks.episodes import Episode, Prompt
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import BadRow
from lm_eval_tasks.prompting.demonstrations import Mode, without_overlap
from lm_eval_tasks.prompting.render import build_messages
from lm_eval_tasks.reading import Split, local_file, read_rows, report_bad_rows, resolve_source
from lm_eval_tasks.scoring.metrics import Metric, Metrics
from lm_eval_tasks.scoring.response import Circumstances
from lm_eval_tasks.sources.pooled import PooledTask

logger = logging.getLogger(__name__)

_CHOICE = "_icl_mc"
"""What the names of tasks that compare options end with."""


class BenchmarkSource(PooledTask):
    """See `Source`.

    Attributes:
        benchmark: What it is made of.
        name: The benchmark's name.
        num_fewshot: See `Source`.
        data: Where its rows are: `hub`, `sample` or a folder.
        metrics: See `Benchmark`.
        demonstration_mode: The same for all rows.
        bad_rows: The rows that cannot be used, of all splits that were read so far; they are left out.
    """

    def __init__(self, name: str, data: str | None = None, pool: str | None = None) -> None:
        """Nothing is read yet.

        Args:
            name: The benchmark's.
            data: `hub`, `sample` or a folder; default: `ICL_DATA_DIR`, else `hub`.
            pool: Where demonstrations come from, in the same words; default: the training split of `data`.

        Raises:
            UserError: unknown benchmark.
        """
        self.benchmark = get_benchmark(name)
        self.name = name
        self.num_fewshot = self.benchmark.num_fewshot
        self.data = resolve_source(data)
        self.metrics: Mapping[str, Metric] = self.benchmark.metrics
        self.demonstration_mode: Mode = "fixed"
        self.bad_rows: list[BadRow] = []
        self._pool = pool

    def train(self) -> list[Episode]:
        """See `Source`.

        Raises:
            UserError: source not reachable, or no usable row.
        """
        return without_overlap(self.all_train, self.evaluation())[0]

    def evaluation(self) -> list[Episode]:
        """See `Source`.

        Raises:
            UserError: source not reachable, or no usable row.
        """
        return list(self._evaluation)

    def pool(self) -> list[Episode]:
        """See `Source`; none of them is evaluated.

        Raises:
            UserError: as for `train`.
        """
        kept, dropped = without_overlap(self.whole_pool, self.evaluation())
        if dropped:
            logger.warning(
                "%s: %d rows of the demonstrations' pool are evaluated here and left out", self.name, dropped
            )
        return kept

    @property
    def left_out(self) -> dict[str, int]:
        """See `Source`."""
        return {"evaluated": len(self.all_train) - len(self.train())}

    def show(
        self, episode: Episode, demonstrations: Sequence[Episode] = (), *, system: str | None = None
    ) -> Prompt:
        """See `Source`."""
        return tuple(build_messages(episode, demonstrations, system=system))

    def document(self, episode: Episode) -> dict[str, Any]:
        """A row as the harness logs it, and as `score` reads it."""
        return self.benchmark.document(episode)

    def score(self, doc: Mapping[str, Any], response: str | None, at: Circumstances) -> Metrics:
        """One answer's value of every metric; see `Benchmark`."""
        return self.benchmark.score(doc, response, at)

    def parts(self, doc: Mapping[str, Any], metrics: Metrics) -> list[tuple[str, bool]]:
        """One answer's verdicts by kind; see `Benchmark`."""
        return self.benchmark.parts(doc, metrics)

    @cached_property
    def all_train(self) -> list[Episode]:
        """The training split with the rows that are evaluated, if it has any."""
        return self._parse("train", self.data)

    @cached_property
    def whole_pool(self) -> list[Episode]:
        """The rows of the pool with those that are evaluated, if it has any."""
        return self.all_train if self.pool_data == self.data else self._parse("train", self.pool_data)

    @cached_property
    def pool_data(self) -> str:
        """Where demonstrations come from; a folder that holds an evaluation set alone has none to lend.

        Raises:
            UserError: there is no training file, and no other place is named.
        """
        if self._pool:
            return self._pool
        path = local_file(self.benchmark.name, self.benchmark.train, self.data)
        if path is None or path.is_file():
            return self.data
        raise UserError(
            f"{self.name}: {path} does not exist, and demonstrations come from it. Put the training split "
            "there, or name another place as 'pool' (--pool sample; with lm_eval, "
            """--metadata '{"pool": "sample"}'): hub, sample or a folder."""
        )

    def files(self) -> list[Path]:
        """The files that hold its rows, those that exist; none for the hub."""
        splits = (self.benchmark.train, self.benchmark.evaluation)
        paths = (local_file(self.benchmark.name, split, self.data) for split in splits)
        return [path for path in paths if path is not None and path.is_file()]

    def raw_rows(self, role: Role) -> list[Mapping[str, Any]]:
        """The rows of a split as they stand in the data.

        Raises:
            UserError: source not reachable.
        """
        return [row for _, row in read_rows(self.benchmark.name, self._split(role), self.data, bad=[])]

    @cached_property
    def _evaluation(self) -> list[Episode]:
        return self._parse("evaluation", self.data)

    def _parse(self, role: Role, data: str) -> list[Episode]:
        """The rows of a split; those that cannot be used are recorded, counted and left out."""
        bad: list[BadRow] = []
        episodes = []
        rows = read_rows(self.benchmark.name, self._split(role), data, bad)
        turns = ((where, turn) for where, row in rows for turn in self.benchmark.turns(row))
        for index, (where, row) in enumerate(turns):
            if role == "train" and not self.benchmark.usable(row):
                continue
            try:
                episodes.append(self._episode(role, row, str(index), where))
            except UserError as error:
                bad.append(BadRow(where, str(error).removeprefix(f"{where}: ")))
        if not episodes:
            first = f"; the first problem is {bad[0].where}: {bad[0].problem}" if bad else "."
            raise UserError(f"{self.name}: the {role} split of source {data!r} has no usable row{first}")
        report_bad_rows(f"{self.name} {role}", bad, len(episodes) + len(bad))
        self.bad_rows += bad
        return episodes

    def _episode(self, role: Role, row: Mapping[str, Any], id: str, where: str) -> Episode:
        episode = self.benchmark.parse(row, id, where)
        if role == "train" and episode.completion is None:
            raise UserError(f"{where}: a training row needs an answer, and this has none.")
        return episode

    def _split(self, role: Role) -> Split:
        return self.benchmark.train if role == "train" else self.benchmark.evaluation


class ChoiceBenchmark(BenchmarkSource):
    """A benchmark whose options are compared by their log-likelihood: nothing is written, little is computed.

    Attributes:
        name: That of its task in the harness, such as `csqa_icl_mc`.
    """

    def __init__(self, benchmark: str, data: str | None = None) -> None:
        """See `BenchmarkSource`."""
        super().__init__(benchmark, data)
        self.name = f"{benchmark}{_CHOICE}"
        self.title = f"{self.benchmark.title} by log-likelihood"


def choice_benchmark(task: str, data: str | None = None) -> ChoiceBenchmark | None:
    """The benchmark that a task such as `csqa_icl_mc` compares options of; None: it is no such task."""
    name = task.removesuffix(_CHOICE)
    known = name in BENCHMARKS and (TASK_DIR / name / f"{task}.yaml").is_file()
    return ChoiceBenchmark(name, data) if known and name != task else None
