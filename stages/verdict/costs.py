"""What cells cost, on which machines that was measured, and the Pareto front: which cells no other
beats or equals in score and in every cost."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stages.results.cell import CellResult

# What a cell costs, all the lower the better, with the words of a sentence and the unit.
COSTS = {
    "latency_ms": ("latency", "ms"),
    "peak_memory_mib": ("peak memory", "MiB"),
    "train_minutes": ("training time", "min"),
    "size_mib": ("checkpoint size", "MiB"),
    "parameters": ("number of parameters", ""),
}


@dataclass(frozen=True)
class Candidate:
    """A cell to choose from. score: the metric, higher is better, None where there is nothing to
    measure; costs: a key of COSTS -> value in its unit, None or absent where it was not measured.
    NaN and infinity count as None. spread: of what varies from round to round the lowest and the
    highest, around the value; a cost without one is exact."""

    name: str
    score: float | None
    costs: Mapping[str, float | None] = field(default_factory=dict)
    run_id: str = ""
    spread: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def cost(self, key: str) -> float | None:
        return finite(self.costs.get(key))


def costs_less(first: Candidate, second: Candidate, key: str) -> bool:
    """Whether `first` is shown to be cheaper: a cost whose spreads overlap decides nothing."""
    costs = first.cost(key), second.cost(key)
    if None in costs:
        return False
    _, high = first.spread.get(key, (None, costs[0]))
    low, _ = second.spread.get(key, (costs[1], None))
    return high < low


def names_of(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    return tuple(candidate.name for candidate in candidates)


def finite(value: float | None) -> float | None:
    """None for what is no finite number."""
    return value if value is not None and math.isfinite(value) else None


def check(candidates: Sequence[Candidate], costs: Sequence[str]) -> None:
    """Raises ValueError for a cost that is not one of COSTS, and for two cells of one name."""
    for key in costs:
        if key not in COSTS:
            raise ValueError(f"cost {key!r} is unknown; known costs: {', '.join(COSTS)}")
    numbers = Counter(candidate.name for candidate in candidates)
    repeated = sorted(name for name, number in numbers.items() if number > 1)
    if repeated:
        raise ValueError(f"two candidates are called {', '.join(map(repr, repeated))}")


def costs_of(runs: Sequence[CellResult]) -> dict[str, float | None]:
    """A key of COSTS -> its value: of the repeats that were measured the middle one."""
    result: dict[str, float | None] = {}
    for key in COSTS:
        values = []
        for run in runs:
            costs = {**run.costs, "train_minutes": run.train_minutes, "parameters": run.parameters}
            if costs.get(key) is not None:
                values.append(costs[key])
        result[key] = statistics.median(values) if values else None
    return result


def spreads_of(runs: Sequence[CellResult]) -> dict[str, tuple[float, float]]:
    """A key of COSTS -> its lowest and highest round of any repeat; what has none is exact."""
    result: dict[str, tuple[float, float]] = {}
    for run in runs:
        for key, (low, high) in run.cost_spread.items():
            if key in COSTS:
                before = result.get(key, (low, high))
                result[key] = (min(low, before[0]), max(high, before[1]))
    return result


def machines(cells: Sequence[CellResult]) -> set[str]:
    """Where costs were measured."""
    return {cell.measured_on for cell in cells if cell.measured_on}


def busy(cells: Sequence[CellResult]) -> dict[str, float]:
    """Row -> what other processes used of the machine while its latency was measured."""
    return {cell.name: cell.others for cell in cells if cell.others is not None}


@dataclass(frozen=True)
class Dominated:
    """A cell that each member `by` equals or beats in score and every cost, one beaten at least."""

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

    def place(self, name: str) -> str:
        """ "member", "dominated", "incomplete" or "not placed"."""
        if name in self.members:
            return "member"
        for word, cells in (("dominated", self.dominated), ("incomplete", self.incomplete)):
            if any(cell.name == name for cell in cells):
                return word
        return "not placed"


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
