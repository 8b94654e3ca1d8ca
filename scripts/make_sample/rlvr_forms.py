"""Builders for the constraints on the form of an answer; see `rlvr_shapes`."""

import json
import random

from scripts.make_sample.ifeval_topics import Topic, load, render
from scripts.make_sample.rlvr_case import (
    Case,
    UnfitError,
    ask_for,
    base_text,
    parts_of,
)


def paragraph_count(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Parts between dividers; the breaking response has one part fewer."""
    number = 2 + turn % 3
    pieces = parts_of(topic, number)
    return Case(
        ask_for(topic, turn), "Number paragraphs",
        f"Write exactly {number} paragraphs and divide them with: * * *",
        "\n* * *\n".join(pieces), "\n* * *\n".join(pieces[1:]), {"N": number},
    )  # fmt: skip


def paragraphs(topic: Topic, turn: int, rng: random.Random) -> Case:
    """The i-th paragraph's first word; in the breaking response another paragraph stands there."""
    number = 2 + turn % 3
    pieces = parts_of(topic, number)
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
        ask_for(topic, turn), "Number paragraphs and first word", constraint,
        "\n\n".join(pieces), "\n\n".join(turned), {"N": number, "i": index + 1, "first_word": first},
    )  # fmt: skip


def postscript(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A postscript; the breaking response has an empty one, or none."""
    marker, base = ("P.S.", "P.P.S")[turn % 2], base_text(topic)
    return Case(
        ask_for(topic, turn), "Postscript", f"At the end, add a postscript that starts with {marker}",
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
        ask_for(topic, turn), "Number placeholder",
        f"The response must contain at least {number} placeholders in square brackets, such as [address].",
        bracketed(number), bracketed(number - 1), {"N": number},
    )  # fmt: skip


def bullet_points(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A list; the breaking response has one entry fewer."""
    number, mark = 2 + turn % 3, "*-"[turn % 2]
    lines = [f"{mark} {piece}" for piece in parts_of(topic, number)]
    return Case(
        ask_for(topic, turn), "Number bullets", f"Your answer must contain exactly {number} bullet points.",
        "\n".join(lines), "\n".join([topic.title, *lines[1:]]), {"N": number},
    )  # fmt: skip


def title(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A title in double angular brackets; the breaking response has single ones."""
    base = base_text(topic)
    return Case(
        ask_for(topic, turn), "Title",
        "Give your answer a title in double angular brackets, such as <<joy>>.",
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
        ask_for(topic, turn), "Minimum number highlighted section",
        f"Highlight at least {number} sections of your answer like this: *highlighted section*",
        starred(number), starred(number - 1), {"N": number},
    )  # fmt: skip


def sections(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Numbered sections; the breaking response lacks the last."""
    number, splitter = 2 + turn % 3, ("SECTION", "PARAGRAPH")[turn % 2]
    pieces = [f"{splitter} {n}\n{piece}" for n, piece in enumerate(parts_of(topic, number), start=1)]
    return Case(
        ask_for(topic, turn), "Multiple sections",
        f"Your response must have {number} sections. Begin each with {splitter} X, where X is its number.",
        "\n".join(pieces), "\n".join(pieces[:-1]), {"N": number, "section_splitter": splitter},
    )  # fmt: skip


def json_format(topic: Topic, turn: int, rng: random.Random) -> Case:
    """The answer as JSON; in the breaking response a sentence stands before it."""
    text = json.dumps({"title": topic.title, "text": render(topic.text)}, ensure_ascii=False, indent=2)
    return Case(
        ask_for(topic, turn), "JSON format", "Your entire response should be wrapped in JSON format.",
        text, f"Here it is:\n{text}",
    )  # fmt: skip


def repeat_prompt(topic: Topic, turn: int, rng: random.Random) -> Case:
    """The request first; the breaking response changes its first letter."""
    ask, base = ask_for(topic, turn), base_text(topic)
    return Case(
        ask, "Repeat prompt", "First repeat the request above word for word, then give your answer.",
        f"{ask}\n\n{base}", f"{ask[0].swapcase()}{ask[1:]}\n\n{base}", {"original_prompt": ask},
    )  # fmt: skip


def two_responses(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Two answers; in the breaking response they are the same."""
    base = base_text(topic)
    return Case(
        ask_for(topic, turn), "Give two responses",
        "Give two different responses, separated by six asterisks: ******",
        f"{base}\n******\n{topic.alt}", f"{base}\n******\n{base}",
    )  # fmt: skip


def end(topic: Topic, turn: int, rng: random.Random) -> Case:
    """A closing phrase; in the breaking response something follows."""
    text = f"{base_text(topic)} {topic.close}"
    constraint = f"Finish your response with this exact phrase: {topic.close} Nothing should follow it."
    return Case(
        ask_for(topic, turn), "End Checker", constraint, text, f"{text} Bye!", {"end_phrase": topic.close}
    )


def quotation(topic: Topic, turn: int, rng: random.Random) -> Case:
    """Quotation marks around all; the breaking response lacks the closing one."""
    base = base_text(topic)
    constraint = "Wrap your entire response in double quotation marks."
    return Case(ask_for(topic, turn), "Quotation", constraint, f'"{base}"', f'"{base}')
