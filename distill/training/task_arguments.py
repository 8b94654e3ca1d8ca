"""Which task GRPO trains on, as its command line and configuration say it."""

from dataclasses import dataclass, field, fields

from lm_eval_tasks.errors import check
from lm_eval_tasks.prompting.context import GOLD
from lm_eval_tasks.prompting.demonstrations import MODES
from lm_eval_tasks.sources import TaskSpec


@dataclass
class TaskArguments:
    """Which rows are asked, and what is read before them."""

    task: str | None = field(
        default=None,
        metadata={
            "help": "A benchmark, a task of lm-eval, a YAML or a JSONL file; default: see docs/grpo.md."
        },
    )
    inputs: str | None = field(
        default=None, metadata={"help": "Of rows of one's own: JSON lines to train on; task is then judged."}
    )
    evaluation: str | None = field(
        default=None, metadata={"help": "Of rows of one's own: those that are judged, and never trained on."}
    )
    metric: str | None = field(
        default=None,
        metadata={"help": "Of rows of one's own: a name or module:function; default: exact_match."},
    )
    train_split: str | None = field(
        default=None, metadata={"help": "Split of an lm-eval task to train on; default: its training split."}
    )
    num_fewshot: int | None = field(
        default=None,
        metadata={"help": "Demonstrations that the policy reads; default: none, or all of the file's."},
    )
    pool: str | None = field(
        default=None, metadata={"help": "Where a benchmark's demonstrations come from; default: data."}
    )
    demonstrations: str | None = field(
        default=None, metadata={"help": f"How they are chosen ({', '.join(MODES)}), or a JSONL file of them."}
    )
    demonstration_seed: int | None = field(default=None, metadata={"help": "Seed of their choice."})
    system_instruction: str | None = field(
        default=None, metadata={"help": "Text, or a file of it, that the policy reads as the system's turn."}
    )
    document: list[str] | None = field(
        default=None, metadata={"help": "Files whose text the policy reads in the system's turn."}
    )
    privileged: str | None = field(
        default=None, metadata={"help": "Column whose text the policy reads beside the question."}
    )
    privileged_template: str | None = field(
        default=None, metadata={"help": "The turn then, with {question} and {privileged}."}
    )
    strict: bool = field(
        default=False,
        metadata={
            "help": "End where a row names a constraint that nothing defines; else it is left out of "
            "training, and counted."
        },
    )

    def __post_init__(self) -> None:
        """Check values that no later step could explain as well."""
        shots = self.num_fewshot
        check(shots is None or shots >= 0, "num_fewshot", shots, "give 0 or more")
        check(
            self.privileged != GOLD,
            "privileged",
            self.privileged,
            "the policy would read the answer that it is rewarded for; name another column",
        )

    def given(self) -> list[str]:
        """The names of the fields that say something, `task` and `strict` aside."""
        names = (one.name for one in fields(self) if one.name not in ("task", "strict"))
        return [name for name in names if getattr(self, name) is not None]

    def spec(self, data: str | None) -> TaskSpec:
        """The task and what is read before it: nothing, unless something is named."""
        shots = 0 if self.num_fewshot is None and self.demonstrations is None else self.num_fewshot
        return TaskSpec.of(self, data=data, num_fewshot=shots)
