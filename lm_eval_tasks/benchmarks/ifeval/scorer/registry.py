"""The official instruction ids, each with its arguments and its checker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lm_eval_tasks.benchmarks.ifeval.scorer import content, forms, keywords, languages, lengths


@dataclass(frozen=True, slots=True)
class Checker:
    """An instruction type.

    Attributes:
        holds: `holds(text, **arguments) -> bool`.
        parameters: Argument name -> kind: `count`, `text`, `texts` or `relation`. All are required.
    """

    holds: Callable[..., bool]
    parameters: Mapping[str, str]


def _checker(holds: Callable[..., bool], **parameters: str) -> Checker:
    return Checker(holds, parameters)


CHECKERS: Mapping[str, Checker] = {
    "keywords:existence": _checker(keywords.existence, keywords="texts"),
    "keywords:frequency": _checker(
        keywords.frequency, keyword="text", frequency="count", relation="relation"
    ),
    "keywords:forbidden_words": _checker(keywords.forbidden_words, forbidden_words="texts"),
    "keywords:letter_frequency": _checker(
        keywords.letter_frequency, letter="text", let_frequency="count", let_relation="relation"
    ),
    "language:response_language": _checker(languages.response_language, language="text"),
    "length_constraints:number_sentences": _checker(
        lengths.number_sentences, num_sentences="count", relation="relation"
    ),
    "length_constraints:number_paragraphs": _checker(lengths.number_paragraphs, num_paragraphs="count"),
    "length_constraints:number_words": _checker(lengths.number_words, num_words="count", relation="relation"),
    "length_constraints:nth_paragraph_first_word": _checker(
        lengths.nth_paragraph_first_word, num_paragraphs="count", nth_paragraph="count", first_word="text"
    ),
    "detectable_content:number_placeholders": _checker(content.number_placeholders, num_placeholders="count"),
    "detectable_content:postscript": _checker(content.postscript, postscript_marker="text"),
    "detectable_format:number_bullet_lists": _checker(forms.number_bullet_lists, num_bullets="count"),
    "detectable_format:constrained_response": _checker(content.constrained_response),
    "detectable_format:number_highlighted_sections": _checker(
        forms.number_highlighted_sections, num_highlights="count"
    ),
    "detectable_format:multiple_sections": _checker(
        forms.multiple_sections, section_spliter="text", num_sections="count"
    ),
    "detectable_format:json_format": _checker(forms.json_format),
    "detectable_format:title": _checker(forms.title),
    "combination:two_responses": _checker(content.two_responses),
    "combination:repeat_prompt": _checker(content.repeat_prompt, prompt_to_repeat="text"),
    "startend:end_checker": _checker(content.end_checker, end_phrase="text"),
    "startend:quotation": _checker(content.quotation),
    "change_case:capital_word_frequency": _checker(
        languages.capital_word_frequency, capital_frequency="count", capital_relation="relation"
    ),
    "change_case:english_capital": _checker(languages.english_capital),
    "change_case:english_lowercase": _checker(languages.english_lowercase),
    "punctuation:no_comma": _checker(content.no_comma),
}
