"""The registry of mutations: each breaks a healthy set in one way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from broken_sets.base import BrokenSet


@dataclass(frozen=True)
class Case:
    """code: what must be found, with the default action unless `action` says another; also: what is found with it.

    says: what the one line of a fatal case must name.
    """

    name: str
    code: str
    breaks: Callable[[BrokenSet], None]
    kind: str = "coco"
    action: str = ""
    also: frozenset[str] = frozenset()
    says: str = ""
    after: str = ""
    data: dict[str, Any] = field(default_factory=dict)


CASES: dict[str, Case] = {}


def case(
    code: str,
    *,
    kind: str = "coco",
    action: str = "",
    also: str = "",
    says: str = "",
    after: str = "",
    **data: Any,
) -> Callable:
    """Registers a mutation. also: further codes, with spaces between; after: text of a row of changes.csv;
    data: keys of params.yaml."""

    def register(breaks: Callable[[BrokenSet], None]) -> Callable[[BrokenSet], None]:
        name = breaks.__name__
        assert name not in CASES, name
        CASES[name] = Case(
            name, code, breaks, kind, action, frozenset(also.split()), says, after, data
        )
        return breaks

    return register
