"""Counting `[...]` in one pass."""


def count_bracketed(text: str) -> int:
    r"""Number of matches of `\[.*?\]`: a bracket opened and closed on one line.

    The regular expression itself takes quadratic time on a long line of opening brackets.
    """
    count, position = 0, text.find("[")
    while position >= 0:
        closing = text.find("]", position + 1)
        if closing < 0:
            break
        line_end = text.find("\n", position + 1, closing)
        if line_end < 0:
            count += 1
            position = text.find("[", closing + 1)
        else:
            # No bracket closes before the last line end in between.
            position = text.find("[", text.rfind("\n", line_end, closing) + 1)
    return count
