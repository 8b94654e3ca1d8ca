"""Responses to IFEval prompts, made up: prose like a chat model's, and shapes that try a checker's nerves."""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]

SENTENCES = (
    "The committee met on Tuesday, but nobody had read the report.",
    "Dr. Alvarez paid $1,250.50 for it, i.e. more than the U.S. average.",
    "What would you have done instead?",
    "It's hard to say; we can't know until the results arrive at 5 p.m. on Friday.",
    "Wow!!! That went better than anyone expected...",
    "NASA and the FBI both declined to comment.",
    'She said, "Please don\'t wait for me." Then she left.',
    "Visit https://example.org/path?q=1 or write to someone@example.org.",
    "First of all, cooking at home saves money (and time).",
    "A good teacher listens -- and a great one remembers.",
    "In 1984 the price fell by 3.5% within a week.",
    "We gonna take the train, aren't we?",
    "The river bends north of the old mill. Nobody lives there now.",
    "IMPORTANT: bring water, a map, and warm clothes.",
    "No. 7 is the one that matters, cf. chapter two.",
    "My answer is maybe.",
)
FOREIGN = (
    "Der Zug kommt heute leider zwanzig Minuten später an.",
    "Mwalimu aliwaambia wanafunzi wasome kitabu kipya leo.",
    "यह किताब बहुत अच्छी है और मुझे इसे पढ़ना पसंद है।",
    "ಈ ಪುಸ್ತಕ ತುಂಬಾ ಚೆನ್ನಾಗಿದೆ ಮತ್ತು ನನಗೆ ಓದಲು ಇಷ್ಟ.",
    "오늘은 날씨가 좋아서 공원에서 산책을 했습니다.",
    "Сегодня утром мы поехали на вокзал встречать друзей.",
    "这本书很有意思。我昨天晚上读完了。",
    "きょうはとても天気がいいです。散歩に行きましょう。",
    "هذا الكتاب مفيد جدا وأنا أقرأه كل يوم.",
    "Le marché ouvre à huit heures, mais il faut arriver tôt.",
    "Tänään sataa lunta, joten jäämme kotiin lukemaan.",
    "Hôm nay trời đẹp nên chúng tôi đi dạo trong công viên.",
    "এই বইটি খুব সুন্দর এবং আমি প্রতিদিন পড়ি।",
    "این کتاب بسیار جالب است و من آن را دوست دارم.",
    "இந்த புத்தகம் மிகவும் நன்றாக உள்ளது.",
    "วันนี้อากาศดีมากเราจึงไปเดินเล่นที่สวน",
)
ODD = (
    "\u200b", "\u00a0", "\u2028", "\u0301", "\u202eabc", "İstanbul", "ﬀ", "ǅ", "ß", "\x1c", "\x85", "\x00",
    "😀", "👩\u200d👩\u200d👧", "\U0001d400\U0001d401", "Ⅷ", "\ufeff", "\r\n", "\r", "\t", "「」",
    "“quoted”", "«ici»", "\u2019s", "…", "\ud800", "²", "٣", "क्षि",
)  # fmt: skip
MARKS = (
    "*", "**", "***", "******", "* * *", "- ", "* ", "\n", "\n\n", "\n\n\n", "[", "]", "[x]", "<<", ">>",
    "<<t>>", '"', "'", "P.S.", "P.P.S", "p. p. s", "Section 1", "SECTION 2", "Day 3", "```json", "```", "{",
    "}", ",", ".", "!", "?", "e.g. ", "Mr. ", "cannot ", "A.B.C. ", "''", "``", ";", ":", "1.", "#", "\\",
    "(", ")", "$",
)  # fmt: skip


def chat_response(row: Row, rng: random.Random) -> str:
    """Prose of 100 to 450 words in paragraphs, with some markdown, mostly keeping the constraints."""
    words = re.findall(r"\w+", row["prompt"])
    paragraphs = []
    for _ in range(rng.randint(2, 6)):
        sentences = [_sentence(words, rng) for _ in range(rng.randint(3, 8))]
        paragraphs.append(" ".join(sentences))
    if rng.random() < 0.4:
        paragraphs.insert(1, "\n".join(f"* **{_sentence(words, rng)}**" for _ in range(rng.randint(2, 5))))
    text = "\n\n".join(paragraphs)
    return obey(row, text, rng) if rng.random() < 0.75 else text


def _sentence(words: list[str], rng: random.Random) -> str:
    if rng.random() < 0.3:
        return rng.choice(SENTENCES)
    picked = " ".join(rng.choices(words, k=rng.randint(6, 16)))
    return picked[:1].upper() + picked[1:] + rng.choice((".", ".", ".", "!", "?"))


def obey(row: Row, text: str, rng: random.Random) -> str:
    """Bend a text towards the row's constraints, as a model would."""
    for name, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True):
        text = _BENDS.get(name, lambda text, kwargs, rng: text)(text, kwargs, rng)
    return text


def _end(text: str, kwargs: Row, rng: random.Random) -> str:
    return text + "\n\n" + kwargs["end_phrase"]


_BENDS: Mapping[str, Callable[[str, Row, random.Random], str]] = {
    "punctuation:no_comma": lambda text, kwargs, rng: text.replace(",", ""),
    "startend:quotation": lambda text, kwargs, rng: f'"{text}"',
    "startend:end_checker": _end,
    "change_case:english_capital": lambda text, kwargs, rng: text.upper(),
    "change_case:english_lowercase": lambda text, kwargs, rng: text.lower(),
    "detectable_format:title": lambda text, kwargs, rng: f"<<A title>>\n{text}",
    "detectable_format:json_format": lambda text, kwargs, rng: (
        "```json\n" + json.dumps({"a": text}) + "\n```"
    ),
    "combination:repeat_prompt": lambda text, kwargs, rng: kwargs["prompt_to_repeat"] + "\n" + text,
    "combination:two_responses": lambda text, kwargs, rng: f"{text}\n******\nOr: {text[:200]}",
    "detectable_content:postscript": lambda text, kwargs, rng: (
        f"{text}\n{kwargs['postscript_marker']} Thanks."
    ),
    "detectable_content:number_placeholders": lambda text, kwargs, rng: (
        text + " [name]" * rng.randint(0, 2 * kwargs["num_placeholders"])
    ),
    "detectable_format:number_highlighted_sections": lambda text, kwargs, rng: (
        text + " *a* **b** " * rng.randint(0, kwargs["num_highlights"])
    ),
    "detectable_format:number_bullet_lists": lambda text, kwargs, rng: (
        text + "".join(f"\n* item {i}" for i in range(kwargs["num_bullets"] + rng.randint(-1, 1)))
    ),
    "detectable_format:multiple_sections": lambda text, kwargs, rng: "".join(
        f"{kwargs['section_spliter']} {i + 1}\n{text[:80]}\n" for i in range(kwargs["num_sections"])
    ),
    "detectable_format:constrained_response": lambda text, kwargs, rng: "My answer is yes.",
    "length_constraints:number_paragraphs": lambda text, kwargs, rng: "\n***\n".join(
        [text[:120] or "a"] * (kwargs["num_paragraphs"] + rng.randint(-1, 1))
    ),
    "length_constraints:nth_paragraph_first_word": lambda text, kwargs, rng: "\n\n".join(
        [f"{kwargs['first_word']}, {text[:60]}".replace("\n", " ")] * kwargs["num_paragraphs"]
    ),
    "length_constraints:number_sentences": lambda text, kwargs, rng: " ".join(
        rng.choices(SENTENCES, k=max(1, kwargs["num_sentences"] + rng.randint(-3, 2)))
    ),
    "length_constraints:number_words": lambda text, kwargs, rng: " ".join(
        (text.split() * 40)[: max(1, kwargs["num_words"] + rng.randint(-1, 1))]
    ),
    "keywords:existence": lambda text, kwargs, rng: f"{text} {' '.join(kwargs['keywords'])}",
    "keywords:frequency": lambda text, kwargs, rng: (
        text + f" {kwargs['keyword']}" * rng.randint(0, kwargs["frequency"] + 1)
    ),
    "keywords:forbidden_words": lambda text, kwargs, rng: (
        text + f" {rng.choice(kwargs['forbidden_words'])}{rng.choice(('', 's', '.'))}"
    ),
    "keywords:letter_frequency": lambda text, kwargs, rng: (
        text[:50] + kwargs["letter"] * rng.randint(0, 2 * kwargs["let_frequency"])
    ),
    "change_case:capital_word_frequency": lambda text, kwargs, rng: (
        text[:200] + " WORD'S" * rng.randint(0, kwargs["capital_frequency"] + 2)
    ),
    "language:response_language": lambda text, kwargs, rng: " ".join(rng.choices(FOREIGN, k=3)),
}


def odd_responses(row: Row, rng: random.Random) -> Iterator[str]:
    """Shapes that try a checker's nerves: empty, foreign, markdown, JSON, mutated, adversarial unicode."""
    chat = chat_response(row, rng)
    yield rng.choice(
        ("", " ", "\n\n", "*", "\ud800", "\u200b", "***", '"', '""', "[]", "7", "a", "A.", "!!!", "\x1c")
    )
    yield rng.choice(FOREIGN) + rng.choice(("", " ", "\n")) + rng.choice((*FOREIGN, *SENTENCES))
    yield obey(row, rng.choice(SENTENCES), rng)
    yield _mutated(chat, rng)
    yield _mutated(obey(row, chat[: rng.randint(1, 400)], rng), rng)
    yield "".join(rng.choices(MARKS + SENTENCES + ODD, k=rng.randint(1, 40)))
    yield " ".join(rng.choices(MARKS + ODD + tuple(row["prompt"].split()), k=rng.randint(1, 60)))
    yield _framed(obey(row, chat, rng), rng)
    yield rng.choice((str.upper, str.lower, str.title, str.swapcase))(chat)
    yield json.dumps({"title": chat[:100], "list": chat.split()[:9]}, indent=rng.choice((None, 2)))


def _framed(text: str, rng: random.Random) -> str:
    """A preface and a farewell around the answer: what the loose criterion is for."""
    first = rng.choice(("Sure! Here is my answer:", "**Answer**", "", "Of course, let me help."))
    last = rng.choice(("I hope this helps!", "*end*", "", "Let me know, please."))
    return f"{first}\n{text}\n{last}"


def _mutated(text: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 12)):
        at, length = rng.randint(0, len(text)), rng.randint(0, 6)
        text = text[:at] + rng.choice(("", *MARKS, *ODD, "\n", " ")) + text[at + length :]
    return text
