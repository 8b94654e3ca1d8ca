"""The prompts of IFEval, or of rows in its schema, found by key or by their exact text."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lm_eval_tasks.episodes import Episode, fingerprint, same_question
from lm_eval_tasks.errors import UserError
from lm_eval_tasks.files import read_json_lines

_NEAR = 0.9


@dataclass(frozen=True, slots=True)
class IndexedPrompt:
    """A prompt with its instructions; `key` as the data has it."""

    key: Any
    text: str
    instruction_id_list: Sequence[str]
    kwargs: str | Sequence[Mapping[str, Any] | None]


class PromptIndex:
    """The prompts of a benchmark file in the schema of google/IFEval."""

    def __init__(
        self, path: Path, parse: Callable[[Mapping[str, Any], str, str], Episode], dataset: str
    ) -> None:
        """Read the file.

        Args:
            path: JSON lines.
            parse: The benchmark's own; see `Benchmark`.
            dataset: What the file holds, for messages.

        Raises:
            UserError: it is missing, malformed, or a key occurs twice.
        """
        if not path.is_file():
            raise UserError(f"--data: {path} does not exist; it must be {dataset} as JSON lines.")
        self._path = path
        self._by_key: dict[str, IndexedPrompt] = {}
        self._by_text: dict[str, list[IndexedPrompt]] = {}
        episodes: list[Episode] = []
        for where, row in read_json_lines(path):
            episode = parse(row, str(len(episodes)), where)
            prompt = IndexedPrompt(
                row.get("key", len(episodes)),
                episode.question,
                tuple(episode.reference["instruction_id_list"]),
                episode.reference["kwargs"],
            )
            if str(prompt.key) in self._by_key:
                raise UserError(f"{where}: field 'key' {prompt.key!r} occurs twice.")
            self._by_key[str(prompt.key)] = prompt
            self._by_text.setdefault(prompt.text, []).append(prompt)
            episodes.append(episode)
        self.fingerprint = fingerprint(episodes)
        self.near = lru_cache(maxsize=1 << 12)(self._near)

    def __len__(self) -> int:
        return len(self._by_key)

    def by_key(self, key: Any) -> IndexedPrompt:
        """The prompt with this key; 7 and "7" are the same.

        Raises:
            UserError: there is none.
        """
        prompt = self._by_key.get(str(key))
        if prompt is None:
            raise UserError(f"field 'key': {key!r} is not in {self._path}.")
        return prompt

    def by_text(self, text: str) -> IndexedPrompt:
        """The prompt with exactly this text.

        Raises:
            UserError: there is none, with the nearest one as a hint, or several.
        """
        found = self._by_text.get(text, [])
        if len(found) == 1:
            return found[0]
        if found:
            keys = [prompt.key for prompt in found]
            raise UserError(f"field 'prompt': keys {keys} share this text; give 'key' instead.")
        raise UserError(f"field 'prompt': not in {self._path}{self.near(text)}: {text!r:.60}")

    def _near(self, text: str) -> str:
        form = same_question(text)
        for prompt in self._by_key.values():
            if same_question(prompt.text) == form:
                return f" (key {prompt.key!r} differs in case or white space alone; nothing is guessed)"
        close = difflib.get_close_matches(text[:5000], list(self._by_text), n=1, cutoff=_NEAR)
        if close:
            return f" (the nearest is key {self._by_text[close[0]][0].key!r}; nothing is guessed)"
        return ""
