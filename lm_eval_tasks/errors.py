"""Errors that a user can mend."""


class UserError(ValueError):
    """Bad input: the message names the culprit (field, value, file, row) and the remedy.

    Commands print it without a traceback and exit with code 2.
    """
