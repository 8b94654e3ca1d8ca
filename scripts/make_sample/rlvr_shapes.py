"""One builder per constraint function: topic -> wording, arguments, a keeping and a breaking response.

What a response keeps follows from how it is put together here, not from a scorer; the tests compare.
"""

from collections.abc import Mapping

from scripts.make_sample import rlvr_forms as forms
from scripts.make_sample import rlvr_words as words
from scripts.make_sample.rlvr_case import Builder

SHAPES: Mapping[str, Builder] = {
    "verify_keywords": words.keywords,
    "verify_keyword_frequency": words.keyword_frequency,
    "validate_forbidden_words": words.forbidden_words,
    "verify_letter_frequency": words.letter_frequency,
    "validate_response_language": words.response_language,
    "verify_paragraph_count": forms.paragraph_count,
    "validate_word_constraint": words.quantified("Number Words", "words", lambda text: len(text.split())),
    "verify_sentence_constraint": words.quantified("Number Sentences", "sentences", words.plain_sentences),
    "validate_paragraphs": forms.paragraphs,
    "verify_postscript": forms.postscript,
    "validate_placeholders": forms.placeholders,
    "verify_bullet_points": forms.bullet_points,
    "validate_title": forms.title,
    "validate_choice": forms.choice,
    "validate_highlighted_sections": forms.highlighted_sections,
    "validate_sections": forms.sections,
    "validate_json_format": forms.json_format,
    "validate_repeat_prompt": forms.repeat_prompt,
    "validate_two_responses": forms.two_responses,
    "validate_uppercase": words.uppercase,
    "validate_lowercase": words.lowercase,
    "validate_frequency_capital_words": words.capital_words,
    "validate_end": forms.end,
    "validate_quotation": forms.quotation,
    "validate_no_commas": words.no_commas,
}
