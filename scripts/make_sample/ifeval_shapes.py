"""Constraints that shape an answer: how its details are marked, how it is laid out, what goes around it.

Every function returns the text it made and the arguments of the constraint it now keeps.
"""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from scripts.make_sample.ifeval_topics import Topic, details, render

Shaped = tuple[str, dict[str, Any]]
Marked = tuple[list[str], dict[str, Any]]


def _placeholders(sentences: list[str], rng: random.Random) -> Marked:
    count = rng.randint(2, len(details(sentences)))
    return render(sentences, lambda _, slot: f"[{slot}]", count), {"num_placeholders": count}


def _highlights(sentences: list[str], rng: random.Random) -> Marked:
    count = rng.randint(1, len(details(sentences)))
    return render(sentences, lambda shown, _: f"*{shown}*", count), {"num_highlights": count}


def _capital_words(sentences: list[str], rng: random.Random) -> Marked:
    if rng.random() < 0.25:
        plain = render(sentences)
        capitals = sum(word.isupper() for word in " ".join(plain).split())
        return plain, {"capital_relation": "less than", "capital_frequency": capitals + rng.randint(1, 4)}
    count = rng.randint(1, len(details(sentences)))
    shouted = list(details(sentences).values())[:count]
    words = sum(word.isalpha() for word in " ".join(shouted).split())
    marked = render(sentences, lambda shown, _: shown.upper(), count)
    return marked, {"capital_relation": "at least", "capital_frequency": rng.randint(min(2, words), words)}


MARKS: Mapping[str, Callable[[list[str], random.Random], Marked]] = {
    "detectable_content:number_placeholders": _placeholders,
    "detectable_format:number_highlighted_sections": _highlights,
    "change_case:capital_word_frequency": _capital_words,
}


def _groups(sentences: list[str], count: int) -> list[str]:
    """The sentences in `count` consecutive groups, the first ones longer."""
    small, longer = divmod(len(sentences), count)
    sizes = [small + (index < longer) for index in range(count)]
    ends = [sum(sizes[: index + 1]) for index in range(count)]
    return [" ".join(sentences[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


def _bullets(topic: Topic, sentences: list[str], rng: random.Random) -> Shaped:
    return "\n".join(f"* {sentence}" for sentence in sentences), {"num_bullets": len(sentences)}


def _sections(topic: Topic, sentences: list[str], rng: random.Random) -> Shaped:
    count, head = rng.choice([2, 2, 3]), rng.choice(["Section", "Section", "Part"])
    parts = [f"{head} {n}\n{part}" for n, part in enumerate(_groups(sentences, count), start=1)]
    return "\n\n".join(parts), {"section_spliter": head, "num_sections": count}


def _paragraphs(topic: Topic, sentences: list[str], rng: random.Random) -> Shaped:
    count = rng.choice([2, 2, 3])
    return "\n\n***\n\n".join(_groups(sentences, count)), {"num_paragraphs": count}


def _nth_paragraph(topic: Topic, sentences: list[str], rng: random.Random) -> Shaped:
    count = rng.choice([2, 3])
    parts = _groups(sentences, count)
    nth = rng.randint(1, count)
    first_word = parts[nth - 1].split()[0].strip(".,?!").lower()
    return "\n\n".join(parts), {"num_paragraphs": count, "nth_paragraph": nth, "first_word": first_word}


def _json(topic: Topic, sentences: list[str], rng: random.Random) -> Shaped:
    content = {"title": topic.title, **details(topic.text), "text": " ".join(sentences[:3])}
    written = json.dumps(content, indent=2, ensure_ascii=False)
    return rng.choice([written, f"```json\n{written}\n```"]), {}


def _two_answers(topic: Topic, sentences: list[str], rng: random.Random) -> Shaped:
    return f"{' '.join(sentences[:3])}\n\n******\n\n{topic.alt}", {}


LAYOUTS: Mapping[str, Callable[[Topic, list[str], random.Random], Shaped]] = {
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:multiple_sections": _sections,
    "length_constraints:number_paragraphs": _paragraphs,
    "length_constraints:nth_paragraph_first_word": _nth_paragraph,
    "detectable_format:json_format": _json,
    "combination:two_responses": _two_answers,
}


def _ending(text: str, topic: Topic) -> Shaped:
    return f"{text}{chr(10) * 2 if chr(10) in text else ' '}{topic.close}", {"end_phrase": topic.close}


# In the order in which they apply: quotation marks go around all else.
FRAMES: Mapping[str, Callable[[str, Topic], Shaped]] = {
    "detectable_format:title": lambda text, topic: (f"<<{topic.title}>>\n\n{text}", {}),
    "detectable_content:postscript": lambda text, topic: (
        f"{text}\n\nP.S. {topic.extra}",
        {"postscript_marker": "P.S."},
    ),
    "startend:end_checker": _ending,
    "change_case:english_capital": lambda text, topic: (text.upper(), {}),
    "change_case:english_lowercase": lambda text, topic: (text.lower(), {}),
    "startend:quotation": lambda text, topic: (f'"{text}"', {}),
}
