"""Whether a text is JSON, however deep it nests."""

import json
import threading


def is_json(text: str) -> bool:
    """Whether `json.loads` reads the text.

    Python's parser gives up where brackets nest deeper than the interpreter's recursion limit allows, which
    depends on how deep the caller stands. Such texts are read again on a fresh stack, so that the verdict is
    the caller's depth apart; what is too deep even there (about 900 levels) is not JSON.
    """
    try:
        return _loads(text)
    except RecursionError:
        pass
    outcome: list[bool] = []

    def attempt() -> None:
        try:
            outcome.append(_loads(text))
        except RecursionError:
            outcome.append(False)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return outcome[0]


def _loads(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
