"""Finds the name that was meant."""

import difflib
from collections.abc import Sequence

# The module itself takes a variable with up to so many other letters for a misspelt one.
MOST_LETTERS = 3


def nearest(name: str, known: Sequence[str]) -> str:
    """The known name that is most like this one, or "" if none is like it."""
    lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.7)
    return lower[found[0]] if found else ""


def differences(name: str, known: str) -> int:
    """How many letters to add, leave out or replace. Case does not count."""
    row = list(range(len(known) + 1))
    for number, letter in enumerate(name.lower(), 1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(known.lower(), 1):
            least = min(diagonal + (letter != other), row[place] + 1, row[place - 1] + 1)
            diagonal, row[place] = row[place], least
    return row[-1]
