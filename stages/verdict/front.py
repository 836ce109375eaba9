"""The Pareto front: which cells no other beats or equals in score and in every cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stages.verdict.candidates import COSTS, Candidate, check, finite, names_of


@dataclass(frozen=True)
class Dominated:
    """A cell that each member `by` beats or equals in score and every cost, and beats in one of
    them."""

    name: str
    by: tuple[str, ...]


@dataclass(frozen=True)
class Incomplete:
    """A cell that cannot be placed, and what was not measured of it ("score" or keys of COSTS)."""

    name: str
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class Front:
    """The Pareto front over the score and `costs`: `members` are dominated by nobody, in falling
    score. Every cell is in one of the three."""

    metric: str
    costs: tuple[str, ...]
    members: tuple[str, ...]
    dominated: tuple[Dominated, ...]
    incomplete: tuple[Incomplete, ...]
    sentence: str


def front(
    candidates: Sequence[Candidate], metric: str, costs: Sequence[str] = tuple(COSTS)
) -> Front:
    """Who is dominated by whom. A cost that no cell has is left out; a cell that lacks one that
    others have is incomplete, since nobody can say whether it is dominated. Cells with equal
    numbers do not dominate each other.

    Raises ValueError for a cost that is not one of COSTS, and for two cells of one name.
    """
    check(candidates, costs)
    measured = []
    for key in costs:
        if any(candidate.cost(key) is not None for candidate in candidates):
            measured.append(key)
    incomplete = []
    placed = []
    for candidate in candidates:
        lacks = [key for key in measured if candidate.cost(key) is None]
        if finite(candidate.score) is None:
            lacks.insert(0, "score")
        if lacks:
            incomplete.append(Incomplete(candidate.name, tuple(lacks)))
        else:
            placed.append(candidate)
    placed.sort(key=lambda candidate: (-candidate.score, candidate.name))
    members = []
    for candidate in placed:
        if not any(_beats(rival, candidate, measured) for rival in placed):
            members.append(candidate)
    dominated = []
    for candidate in placed:
        by = [member.name for member in members if _beats(member, candidate, measured)]
        if by:
            dominated.append(Dominated(candidate.name, tuple(by)))
    result = Front(
        metric, tuple(measured), names_of(members), tuple(dominated), tuple(incomplete), sentence=""
    )
    return replace(result, sentence=_front_sentence(result))


def _beats(first: Candidate, second: Candidate, costs: Sequence[str]) -> bool:
    """Whether the first is as good in the score and every cost, and better in one."""
    better = first.score > second.score
    if first.score < second.score:
        return False
    for key in costs:
        if first.cost(key) > second.cost(key):
            return False
        better |= first.cost(key) < second.cost(key)
    return better


def _front_sentence(result: Front) -> str:
    axes = ", ".join([result.metric, *_words(result.costs)])
    members = ", ".join(result.members)
    parts = []
    if not result.members:
        parts.append("No cell can be placed on the Pareto front")
    elif not result.dominated and len(result.members) == 1:
        parts.append(f"{members} is alone: there is nothing that could dominate it in {axes}")
    elif not result.dominated:
        parts.append(f"No cell is dominated in {axes}: {members}")
    elif len(result.members) == 1:
        others = ", ".join(cell.name for cell in result.dominated)
        parts.append(f"{members} dominates every other cell in {axes}: {others}")
    else:
        parts.append(f"On the Pareto front of {axes}: {members}")
        by = [f"{cell.name} by {', '.join(cell.by)}" for cell in result.dominated]
        parts.append(f"Dominated: {'; '.join(by)}")
    if result.incomplete:
        lacks = [f"{cell.name} lacks {', '.join(_words(cell.lacks))}" for cell in result.incomplete]
        parts.append(f"Not placed: {'; '.join(lacks)}")
    return ". ".join(parts) + "."


def _words(keys: Sequence[str]) -> list[str]:
    """Keys of COSTS in words; "score" is one."""
    return [COSTS[key][0] if key in COSTS else key for key in keys]
