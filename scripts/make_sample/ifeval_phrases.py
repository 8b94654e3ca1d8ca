"""How a prompt asks for each constraint. Fields are the official argument names, or built in `request`."""

import random
from collections.abc import Mapping
from typing import Any

PHRASES: Mapping[str, tuple[str, ...]] = {
    "keywords:existence": (
        "Make sure the words {keywords} appear in it.",
        "Work in the keywords {keywords}.",
        "The text has to contain {keywords}.",
    ),
    "keywords:frequency": (
        'The word "{keyword}" should occur {relation} {frequency} times.',
        'Use the word "{keyword}" {relation} {frequency} times.',
    ),
    "keywords:forbidden_words": (
        "Leave out the words {forbidden_words}.",
        "The words {forbidden_words} must not appear.",
        "Do it without the words {forbidden_words}.",
    ),
    "keywords:letter_frequency": (
        'The letter "{letter}" should appear {let_relation} {let_frequency} times.',
        'Use the letter "{letter}" {let_relation} {let_frequency} times.',
    ),
    "length_constraints:number_sentences": (
        "Write {relation} {num_sentences} sentences.",
        "It should have {relation} {num_sentences} sentences.",
    ),
    "length_constraints:number_words": (
        "Use {relation} {num_words} words.",
        "The length should be {relation} {num_words} words.",
        "Write {relation} {num_words} words.",
    ),
    "length_constraints:number_paragraphs": (
        "Write {num_paragraphs} paragraphs and put the divider *** between them.",
        "I want exactly {num_paragraphs} paragraphs with three asterisks (***) between them.",
    ),
    "length_constraints:nth_paragraph_first_word": (
        "Write {num_paragraphs} paragraphs with a blank line between them. Paragraph {nth_paragraph} must "
        'start with the word "{first_word}".',
        "Split it into {num_paragraphs} paragraphs by blank lines and let paragraph {nth_paragraph} begin "
        'with "{first_word}".',
    ),
    "detectable_content:number_placeholders": (
        "Leave at least {num_placeholders} placeholders in square brackets such as [name] to fill in later.",
        "Use {num_placeholders} or more placeholders in square brackets like [address].",
    ),
    "detectable_content:postscript": (
        "Add a postscript at the end that starts with {postscript_marker}",
        "Close with a postscript introduced by {postscript_marker}",
    ),
    "detectable_format:number_bullet_lists": (
        "Answer with exactly {num_bullets} bullet points that start with an asterisk, like * this.",
        "Give it as a list of {num_bullets} markdown bullets, each starting with *.",
    ),
    "detectable_format:number_highlighted_sections": (
        "Highlight at least {num_highlights} parts with markdown asterisks, as in *highlighted part*.",
        "Put {num_highlights} or more important details between asterisks, like *this*.",
    ),
    "detectable_format:multiple_sections": (
        "Divide it into {num_sections} sections and begin each of them with {section_spliter} X, where X is "
        "its number.",
        'Use {num_sections} sections headed "{section_spliter} 1", "{section_spliter} 2" and so on.',
    ),
    "detectable_format:json_format": (
        "Return the whole answer as one JSON object.",
        "Your entire output has to be valid JSON.",
    ),
    "detectable_format:title": (
        "Give it a title in double angular brackets, such as <<my title>>.",
        "Start with a title that is wrapped in double angular brackets, like <<title>>.",
    ),
    "combination:two_responses": (
        "Give two different answers and separate them with six asterisks: ******",
        "I want two different versions with ****** between them and nothing else.",
    ),
    "combination:repeat_prompt": (
        "Before you answer, repeat the request above word for word, without this sentence.",
        "First repeat everything before this sentence without any change, then answer.",
    ),
    "startend:end_checker": (
        'End with the exact phrase "{end_phrase}" and write nothing after it.',
        'The very last words must be "{end_phrase}"',
    ),
    "startend:quotation": (
        "Put the whole answer in double quotation marks.",
        "Wrap everything you write in double quotation marks.",
    ),
    "change_case:capital_word_frequency": (
        "Write {capital_relation} {capital_frequency} words in capital letters only.",
        "Words in all capitals should appear {capital_relation} {capital_frequency} times.",
    ),
    "change_case:english_capital": (
        "Write in English and only in capital letters.",
        "Use capital letters throughout, in English.",
    ),
    "change_case:english_lowercase": (
        "Write in English and only in lowercase letters.",
        "No capital letters please, everything in lowercase English.",
    ),
    "punctuation:no_comma": (
        "Do not use any commas.",
        "Write it without a single comma.",
    ),
    "language:response_language": (
        "Answer in {language} only.",
        "Your whole answer must be in {language}, with no other language in it.",
    ),
    "detectable_format:constrained_response": (
        "Answer with one of these sentences: My answer is yes. My answer is no. My answer is maybe.",
        'Choose your reply from "My answer is yes.", "My answer is no." and "My answer is maybe."',
    ),
}


def request(instruction: str, kwargs: Mapping[str, Any], rng: random.Random) -> str:
    """One way to ask for `instruction`."""
    fields = {
        name: " and ".join(f'"{word}"' for word in value) if isinstance(value, list) else value
        for name, value in kwargs.items()
    }
    return rng.choice(PHRASES[instruction]).format(**fields)
