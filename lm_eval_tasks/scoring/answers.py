"""The verdict on a response that has one right answer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnswerVerdict:
    """What a question-answering scorer found.

    Attributes:
        strict: Right, and in the form that the prompt asks for.
        flexible: Right, wherever the answer stands.
        answer: The extracted answer: in the asked form if there is one, else the flexibly found one;
            None where there is none.
        timed_out: Whether checking the answer hit its time limit; MATH only.
    """

    strict: bool
    flexible: bool
    answer: str | None
    timed_out: bool = False

    @property
    def no_answer(self) -> bool:
        """Whether no answer was found."""
        return self.answer is None
