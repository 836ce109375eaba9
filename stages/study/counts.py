"""Numbers with the noun, or the form of the verb, that belongs to them; long lists, cut to a number."""

from __future__ import annotations

from collections.abc import Iterable

# Ends of plurals -> what the singular has in their place; the first that fits.
_SINGULAR = {"ies": "y", "xes": "x", "sses": "ss", "s": ""}


def count(number: int, plural: str) -> str:
    """1, "boxes of Paper" is "1 box of Paper"; 4690 is "4,690 boxes of Paper"."""
    if number == 1:
        noun, of, rest = plural.partition(" of ")
        ending = next(ending for ending in _SINGULAR if noun.endswith(ending))
        plural = noun.removesuffix(ending) + _SINGULAR[ending] + of + rest
    return f"{number:,} {plural}"


def form(number: int, singular: str, plural: str) -> str:
    """The form of a word that follows this number."""
    return singular if number == 1 else plural


def is_or_are(number: int) -> str:
    return form(number, "is", "are")


def shortened(names: Iterable[str], most: int, more: str = "more") -> list[str]:
    """The first names, and of the others how many they are: ["r50", "r101", "3 more"]."""
    parts = list(names)
    if len(parts) > most:
        parts[most:] = [f"{len(parts) - most} {more}"]
    return parts
