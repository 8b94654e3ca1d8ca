"""A text that is judged, with everything that several instructions ask of it computed once."""

from collections.abc import Callable
from functools import cached_property

import regex

from lm_eval_tasks.benchmarks.ifeval.scorer.sentences import sentence_spans
from lm_eval_tasks.benchmarks.ifeval.scorer.words import count_upper_tokens
from lm_eval_tasks.scoring.language import identify

# nltk matches with `regex`, whose idea of a word character takes in combining marks; `re` would count
# a Hindi word as several.
_WORD = regex.compile(r"\w+")


class Text:
    """One text and its memoised properties."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self._sentences: list[str] = []
        self._spans = sentence_spans(raw)

    def holds(self, instruction: "Callable[[Text], bool]") -> bool:
        """Whether the text is not blank and follows the instruction.

        Raises:
            PatternTimeoutError: a keyword is a pattern that runs out of time.
        """
        return not self.blank and instruction(self)

    @cached_property
    def blank(self) -> bool:
        """Whether there is nothing but white space."""
        return not self.raw.strip()

    @cached_property
    def stripped(self) -> str:
        """The text without surrounding white space."""
        return self.raw.strip()

    @cached_property
    def lower(self) -> str:
        """The text in lower case."""
        return self.raw.lower()

    @cached_property
    def language(self) -> str | None:
        """The first guess of langdetect; None where there is nothing to go by."""
        return identify(self.raw)

    @cached_property
    def words(self) -> int:
        r"""Number of words, as nltk's `RegexpTokenizer(r"\w+")` counts them."""
        return len(_WORD.findall(self.raw))

    def has_sentences(self, number: int) -> bool:
        """Whether punkt finds at least `number` sentences; looks no further than needed."""
        if number <= 0:
            return True
        # Every sentence but the last ends with one of three characters.
        if sum(map(self.raw.count, ".?!")) + 1 < number:
            return False
        return self._sentence(number - 1) is not None

    def has_upper_tokens(self, number: int) -> bool:
        """Whether nltk's word tokenizer gives at least `number` all-capital tokens."""
        if sum(map(str.isupper, self.raw)) < number:
            return False
        found = index = 0
        while found < number and (sentence := self._sentence(index)) is not None:
            found += count_upper_tokens(sentence)
            index += 1
        return found >= number

    def _sentence(self, index: int) -> str | None:
        while len(self._sentences) <= index:
            span = next(self._spans, None)
            if span is None:
                return None
            self._sentences.append(self.raw[span[0] : span[1]])
        return self._sentences[index]
