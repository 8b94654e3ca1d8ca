"""How long each response was and whether it ended by itself, and prompts checked against the budget.

lm-eval hands back text only. Whether a response was cut at the token limit cannot be told from text: a model
may spell it in more tokens than its tokenizer would.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import CacheHook
from lm_eval.models.utils import normalize_gen_kwargs

from lm_eval_tasks.errors import UserError


@dataclass(frozen=True, slots=True)
class Reply:
    """One response's length.

    Attributes:
        tokens: Generated tokens, without the one that ends it.
        truncated: Cut at the token limit.
    """

    tokens: int
    truncated: bool


def reply_of(tokens: Sequence[int], *, ends: Collection[int], cut_by_stop: bool, limit: int) -> Reply:
    """The length of one row of a generated batch.

    Args:
        tokens: Its new tokens with the padding that follows its end.
        ends: Token ids that end a response.
        cut_by_stop: A stop sequence was found in the text, so that it ended by itself.
        limit: The token limit of the response.
    """
    length = next((place for place, token in enumerate(tokens) if token in ends), None)
    if length is not None:
        return Reply(length, truncated=False)
    return Reply(len(tokens), truncated=len(tokens) >= limit and not cut_by_stop)


class ReplyRecorder(CacheHook):
    """Keeps one `Reply` per prompt; the model class calls it with every finished response.

    `pending` is what the model class knows of the responses to come, in their order.
    """

    def __init__(self) -> None:
        """Nothing is cached: only the hook's call is wanted."""
        super().__init__(None)
        self.pending: list[Any] = []
        self.replies: dict[str, Reply] = {}

    def add_partial(self, attr: str, req: tuple[str, dict[str, Any]], res: str) -> None:
        """Called by lm-eval as each response is done; overridden by the backends' recorders."""
        raise NotImplementedError

    def was_cut(self, prompt: str) -> bool | None:
        """Whether the answer to `prompt` was cut at the token limit; None: it has none."""
        reply = self.replies.get(prompt)
        return None if reply is None else reply.truncated


def answer_limit(generation_kwargs: Mapping[str, Any]) -> int:
    """Tokens of the longest answer, which tasks name in several ways, or leave to the harness."""
    return int(normalize_gen_kwargs(dict(generation_kwargs))["max_gen_toks"])


def check_budget(lm: Any, requests: Sequence[Instance], option: str) -> None:
    """Refuse prompts that the backend would cut silently.

    Args:
        lm: Has `tok_encode` and `max_length`.
        requests: Of `generate_until`, or of `loglikelihood`.
        option: The `--model_args` name of the backend's context length.

    Raises:
        UserError: a prompt and its longest response do not fit the model's context.
    """
    over = []
    for request in requests:
        prompt, answer = request.args
        limit = len(lm.tok_encode(answer)) if isinstance(answer, str) else answer_limit(answer)
        length = len(lm.tok_encode(prompt))
        if length + limit > lm.max_length:
            over.append((request, length, limit))
    if over:
        request, length, limit = over[0]
        others = f" (and so do {len(over) - 1} more)" if len(over) > 1 else ""
        raise UserError(
            f"{request.task_name}, row {request.doc.get('id', request.doc_id)}: the prompt has {length} "
            f"tokens, and with {limit} for the response it exceeds the {lm.max_length} that the model "
            f"reads{others}. Lower --num_fewshot or --max_new_tokens, or give --model_args {option}=N if it "
            "can read more."
        )
