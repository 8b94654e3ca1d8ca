"""One builder per constraint function: topic -> wording, arguments, a keeping and a breaking response.

What a response keeps follows from how it is put together here, not from a scorer; the tests compare.
"""

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.make_sample.ifeval_topics import Topic, load, render

Builder = Callable[[Topic, int, random.Random], "Case"]
_QUANTIFIERS = ("at least", "at most", "around")


class UnfitError(Exception):
    """This topic cannot serve this constraint."""


@dataclass(frozen=True, slots=True)
class Case:
    """A constraint on a topic, and one response on each side of it."""

    ask: str
    kind: str
    constraint: str
    satisfying: str
    violating: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _base(topic: Topic) -> str:
    return " ".join(render(topic.text))


def _long_words(topic: Topic) -> list[str]:
    return sorted({word for word in _words(_base(topic)) if len(word) > 5 and word.isascii()})


def _ask(topic: Topic, turn: int) -> str:
    return topic.asks[turn % len(topic.asks)]


def keywords(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Two words of the text; the breaking response lacks the first."""
    chosen = rng.sample(_long_words(topic), 2)
    base = _base(topic)
    broken = re.sub(re.escape(chosen[0]), "thing", base, flags=re.IGNORECASE)
    constraint = f"Use these keywords: {chosen[0]}, {chosen[1]}."
    return Case(_ask(topic, turn), "Include keywords", constraint, base, broken, {"keyword_list": chosen})


def keyword_frequency(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A word as often as it stands in the text; the breaking response says it once more."""
    base, word = _base(topic), rng.choice(_long_words(topic))
    number = _words(base).count(word)
    return Case(
        _ask(topic, turn), "Keyword frequency",
        f'The word "{word}" should appear exactly {number} time{"s" * (number > 1)}.',
        base, f"{base} Again: {word.capitalize()}!", {"word": word, "N": number},
    )  # fmt: skip


def forbidden_words(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Words that the topic avoids; the breaking response has one, in capitals."""
    base, banned = _base(topic), topic.forbidden
    return Case(
        _ask(topic, turn), "Forbidden words", f"Do not use these words: {', '.join(banned)}.",
        base, f"{base} {rng.choice(banned).upper()} is another matter.", {"forbidden_words": banned},
    )  # fmt: skip


def letter_frequency(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A lower-case letter as often as it stands in the text; the breaking response has one more."""
    base, letter = _base(topic), rng.choice("aeiostr")
    number = sum(character == letter for character in base)
    return Case(
        _ask(topic, turn), "Letter frequency",
        f"In your response, the letter {letter} should appear exactly {number} times.",
        base, f"{base} {letter}", {"letter": letter, "N": number},
    )  # fmt: skip


def response_language(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A text in another language; the breaking response is English."""
    entries = [entry for entry in load("languages")["train"] if entry["language"] != "en"]
    entry = entries[(turn * 3) % len(entries)]
    constraint = f"Your entire response must be in {entry['name']}; no other language is allowed."
    return Case(
        entry["ask"], "Response language", constraint, entry["text"], _base(topic),
        {"language": entry["language"]},
    )  # fmt: skip


def _parts(topic: Topic, number: int) -> list[str]:
    """The text in `number` pieces, none empty."""
    sentences = render(topic.text)
    if len(sentences) < number:
        raise UnfitError
    return [*sentences[: number - 1], " ".join(sentences[number - 1 :])]


def paragraph_count(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Parts between dividers; the breaking response has one part fewer."""
    number = 2 + turn % 3
    pieces = _parts(topic, number)
    return Case(
        _ask(topic, turn), "Number paragraphs",
        f"Write exactly {number} paragraphs and divide them with: * * *",
        "\n* * *\n".join(pieces), "\n* * *\n".join(pieces[1:]), {"N": number},
    )  # fmt: skip


def _quantified(kind: str, noun: str, count: Callable[[str], int]) -> Builder:
    def build(topic: Topic, turn: int, rng: random.Random) -> Case:
        quantifier = _QUANTIFIERS[turn % 3]
        base, sentences = _base(topic), render(topic.text)
        number = count(base)
        # One sentence is far too short, and the text three times over far too long.
        broken = " ".join([base] * 3) if quantifier == "at most" else sentences[0]
        return Case(
            _ask(topic, turn), kind, f"Answer with {quantifier} {number} {noun}.", base, broken,
            {"N": number, "quantifier": quantifier},
        )  # fmt: skip

    return build


def _plain_sentences(text: str) -> int:
    """Sentences of a text without abbreviations; topics that have some are unfit."""
    if re.search(r"\w\.\w|\b[A-Z][a-z]\.|[.?!]{2}|[.?!][\"')]", text):
        raise UnfitError
    return len(re.findall(r"[.?!](?= |$)", text))


def paragraphs(topic: Topic, turn: int, rng: random.Random) -> Case:
    """The i-th paragraph's first word; in the breaking response another paragraph stands there."""
    number = 2 + turn % 3
    pieces = _parts(topic, number)
    index = rng.randrange(number)
    first = pieces[index].split()[0].strip(",.!?").lower()
    if sum(piece.lower().startswith(first) for piece in pieces) > 1:
        raise UnfitError
    pieces[index] = first + pieces[index][len(first) :]
    turned = pieces[index + 1 :] + pieces[: index + 1] if index < number - 1 else pieces[::-1]
    constraint = (
        f"There should be {number} paragraphs, separated by two line breaks. "
        f"Paragraph {index + 1} must start with the word {first}."
    )
    return Case(
        _ask(topic, turn), "Number paragraphs and first word", constraint,
        "\n\n".join(pieces), "\n\n".join(turned), {"N": number, "i": index + 1, "first_word": first},
    )  # fmt: skip


def postscript(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A postscript; the breaking response has an empty one, or none."""
    marker, base = ("P.S.", "P.P.S")[turn % 2], _base(topic)
    return Case(
        _ask(topic, turn), "Postscript", f"At the end, add a postscript that starts with {marker}",
        f"{base}\n\n{marker} {topic.extra}", f"{base}\n\n{marker}" if turn % 3 else base,
        {"postscript_marker": marker},
    )  # fmt: skip


def placeholders(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Details as placeholders; the breaking response shows one less than asked for."""
    number = 2 + turn % 2

    def bracketed(first: int) -> str:
        return " ".join(render(topic.text, lambda shown, slot: f"[{slot}]", first))

    if bracketed(number).count("[") < number:
        raise UnfitError
    return Case(
        _ask(topic, turn), "Number placeholder",
        f"The response must contain at least {number} placeholders in square brackets, such as [address].",
        bracketed(number), bracketed(number - 1), {"N": number},
    )  # fmt: skip


def bullet_points(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A list; the breaking response has one entry fewer."""
    number, mark = 2 + turn % 3, "*-"[turn % 2]
    lines = [f"{mark} {piece}" for piece in _parts(topic, number)]
    return Case(
        _ask(topic, turn), "Number bullets", f"Your answer must contain exactly {number} bullet points.",
        "\n".join(lines), "\n".join([topic.title, *lines[1:]]), {"N": number},
    )  # fmt: skip


def title(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A title in double angular brackets; the breaking response has single ones."""
    base = _base(topic)
    return Case(
        _ask(topic, turn), "Title", "Give your answer a title in double angular brackets, such as <<joy>>.",
        f"<<{topic.title}>>\n\n{base}", f"<{topic.title}>\n\n{base}",
    )  # fmt: skip


def choice(topic: Topic, turn: int, rng: random.Random) -> Case:
    """One of three sentences; the breaking response dodges."""
    questions = load("questions")["train"]
    entry = questions[(turn * 2) % len(questions)]
    options = ["My answer is yes.", "My answer is no.", "My answer is maybe."]
    return Case(
        entry["ask"], "Choose from options", f"Answer with one of these: {' / '.join(options)}",
        f"My answer is {entry['answer']}.", "That depends on whom you ask.", {"options": options},
    )  # fmt: skip


def highlighted_sections(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Details between asterisks; the breaking response marks one less than asked for."""
    number = 2 + turn % 2

    def starred(first: int) -> str:
        return " ".join(render(topic.text, lambda shown, slot: f"*{shown}*", first))

    if starred(number).count("*") < 2 * number:
        raise UnfitError
    return Case(
        _ask(topic, turn), "Minimum number highlighted section",
        f"Highlight at least {number} sections of your answer like this: *highlighted section*",
        starred(number), starred(number - 1), {"N": number},
    )  # fmt: skip


def sections(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Numbered sections; the breaking response lacks the last."""
    number, splitter = 2 + turn % 3, ("SECTION", "PARAGRAPH")[turn % 2]
    pieces = [f"{splitter} {n}\n{piece}" for n, piece in enumerate(_parts(topic, number), start=1)]
    return Case(
        _ask(topic, turn), "Multiple sections",
        f"Your response must have {number} sections. Begin each with {splitter} X, where X is its number.",
        "\n".join(pieces), "\n".join(pieces[:-1]), {"N": number, "section_splitter": splitter},
    )  # fmt: skip


def json_format(topic: Topic, turn: int, rng: random.Random) -> Case:
    """The answer as JSON; in the breaking response a sentence stands before it."""
    text = json.dumps({"title": topic.title, "text": render(topic.text)}, ensure_ascii=False, indent=2)
    return Case(
        _ask(topic, turn), "JSON format", "Your entire response should be wrapped in JSON format.",
        text, f"Here it is:\n{text}",
    )  # fmt: skip


def repeat_prompt(topic: Topic, turn: int, rng: random.Random) -> Case:
    """The request first; the breaking response changes its first letter."""
    ask, base = _ask(topic, turn), _base(topic)
    return Case(
        ask, "Repeat prompt", "First repeat the request above word for word, then give your answer.",
        f"{ask}\n\n{base}", f"{ask[0].swapcase()}{ask[1:]}\n\n{base}", {"original_prompt": ask},
    )  # fmt: skip


def two_responses(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Two answers; in the breaking response they are the same."""
    base = _base(topic)
    return Case(
        _ask(topic, turn), "Give two responses",
        "Give two different responses, separated by six asterisks: ******",
        f"{base}\n******\n{topic.alt}", f"{base}\n******\n{base}",
    )  # fmt: skip


def uppercase(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Capitals; one lower-case word breaks it."""
    base = _base(topic).upper()
    constraint = "Your entire response should be in capital letters only."
    return Case(_ask(topic, turn), "All Uppercase", constraint, base, f"{base} really")


def lowercase(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Lower case; one capital breaks it."""
    base = _base(topic).lower()
    constraint = "Your entire response should be in lowercase letters; no capital letters are allowed."
    return Case(_ask(topic, turn), "All Lowercase", constraint, base, f"{base} Really")


def capital_words(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Words in capitals, all others without any; the breaking response has none, or thrice as many."""
    number, quantifier = 4 + turn, _QUANTIFIERS[turn % 3]
    words = _base(topic).lower().split()
    plain = [place for place, word in enumerate(words) if word.isascii() and word.isalpha() and len(word) > 2]
    if len(plain) < 3 * number:
        raise UnfitError

    def shouted(count: int) -> str:
        return " ".join(w.upper() if place in plain[:count] else w for place, w in enumerate(words))

    broken = shouted(3 * number) if quantifier == "at most" else shouted(0)
    return Case(
        _ask(topic, turn), "Frequency of All-capital Words",
        f"Words with all capital letters should appear {quantifier} {number} times.",
        shouted(number), broken, {"N": number, "quantifier": quantifier},
    )  # fmt: skip


def end(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A closing phrase; in the breaking response something follows."""
    text = f"{_base(topic)} {topic.close}"
    constraint = f"Finish your response with this exact phrase: {topic.close} Nothing should follow it."
    return Case(
        _ask(topic, turn), "End Checker", constraint, text, f"{text} Bye!", {"end_phrase": topic.close}
    )


def quotation(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Quotation marks around all; the breaking response lacks the closing one."""
    base = _base(topic)
    constraint = "Wrap your entire response in double quotation marks."
    return Case(_ask(topic, turn), "Quotation", constraint, f'"{base}"', f'"{base}')


def no_commas(topic: Topic, turn: int, rng: random.Random) -> Case:
    """No comma; the breaking response has one."""
    base = _base(topic).replace(",", "")
    constraint = "In your entire response, do not use any commas."
    return Case(_ask(topic, turn), "No Commas", constraint, base, f"{base} Well, nearly.")


SHAPES: Mapping[str, Builder] = {
    "verify_keywords": keywords,
    "verify_keyword_frequency": keyword_frequency,
    "validate_forbidden_words": forbidden_words,
    "verify_letter_frequency": letter_frequency,
    "validate_response_language": response_language,
    "verify_paragraph_count": paragraph_count,
    "validate_word_constraint": _quantified("Number Words", "words", lambda text: len(text.split())),
    "verify_sentence_constraint": _quantified("Number Sentences", "sentences", _plain_sentences),
    "validate_paragraphs": paragraphs,
    "verify_postscript": postscript,
    "validate_placeholders": placeholders,
    "verify_bullet_points": bullet_points,
    "validate_title": title,
    "validate_choice": choice,
    "validate_highlighted_sections": highlighted_sections,
    "validate_sections": sections,
    "validate_json_format": json_format,
    "validate_repeat_prompt": repeat_prompt,
    "validate_two_responses": two_responses,
    "validate_uppercase": uppercase,
    "validate_lowercase": lowercase,
    "validate_frequency_capital_words": capital_words,
    "validate_end": end,
    "validate_quotation": quotation,
    "validate_no_commas": no_commas,
}
