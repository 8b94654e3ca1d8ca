"""Errors that a user can mend."""


class UserError(ValueError):
    """Bad input: the message names the culprit (field, value, file, row) and the remedy.

    Commands print it without a traceback and exit with code 2.
    """


def check(holds: bool, name: str, value: object, remedy: str) -> None:
    """Raise a `UserError` that names the field, its value and the remedy, unless `holds`."""
    if not holds:
        raise UserError(f"{name}: {value!r} cannot be used; {remedy}.")
