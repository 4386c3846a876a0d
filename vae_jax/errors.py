"""Errors that the user can act on: scripts print them as one line, without a traceback."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Invalid input from the caller. The message says what is wrong, what was expected, and what to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """'did you mean …? Choose from …' for an unknown name."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + f"Choose from: {', '.join(names)}."


def first_line(error: BaseException, most: int = 200) -> str:
    """The first line of an error's message, cut to `most` characters; the type of the error if it has no message."""
    return (str(error).splitlines() or [type(error).__name__])[0][:most]
