"""What cells cost, and the Pareto front: which cells no other beats or equals in score and in every
cost."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stages.results.cell import CellResult

# What a cell costs, all the lower the better, with the words of a sentence and the unit.
COST_WORDS = {
    "latency_ms": ("latency", "ms"),
    "peak_memory_mib": ("peak memory", "MiB"),
    "train_minutes": ("training time", "min"),
    "size_mib": ("checkpoint size", "MiB"),
    "parameters": ("number of parameters", ""),
}


@dataclass(frozen=True)
class Candidate:
    """A cell to choose from. score: the metric, higher is better, None where there is nothing to
    measure; costs: a key of COST_WORDS -> value in its unit, None or absent where it was not measured.
    NaN and infinity count as None. spread: of what varies from round to round the lowest and the
    highest, around the value; a cost without one is exact."""

    name: str
    score: float | None
    costs: Mapping[str, float | None] = field(default_factory=dict)
    spread: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def cost(self, key: str) -> float | None:
        return finite(self.costs.get(key))

    @property
    def points(self) -> float:
        """The score, below every other where there is none."""
        score = finite(self.score)
        return -math.inf if score is None else score


def finite(value: float | None) -> float | None:
    """None for what is no finite number."""
    return value if value is not None and math.isfinite(value) else None


def candidate_of(name: str, score: float | None, repeats: Sequence[CellResult]) -> Candidate:
    """A cell with the costs of its repeats: of those that were measured the middle one, and the
    lowest and the highest round of any."""
    costs: dict[str, float | None] = {}
    spread: dict[str, tuple[float, float]] = {}
    for key in COST_WORDS:
        values = []
        for run in repeats:
            costs_of_run = {
                **run.measured.costs,
                "train_minutes": run.train_minutes,
                "parameters": run.parameters,
            }
            value = costs_of_run.get(key)
            if value is not None:
                values.append(value)
            if key in run.measured.spread:
                own_low, own_high = run.measured.spread[key]
                low, high = spread.get(key, (own_low, own_high))
                spread[key] = (min(low, own_low), max(high, own_high))
        costs[key] = statistics.median(values) if values else None
    return Candidate(name, score, costs, spread)


def costs_less(first: Candidate, second: Candidate, key: str) -> bool:
    """Whether `first` is shown to be cheaper: a cost whose spreads overlap decides nothing."""
    own, rival = first.cost(key), second.cost(key)
    if own is None or rival is None:
        return False
    return first.spread.get(key, (own, own))[1] < second.spread.get(key, (rival, rival))[0]


@dataclass(frozen=True)
class Front:
    """The Pareto front over the score and `costs`. Every cell is in one of the three: members, in
    falling score, are dominated by nobody; dominated: cell -> who equals or beats it in score and
    every cost, one beaten at least, where costs whose spreads overlap are equal; incomplete: cell
    that cannot be placed -> what was not measured of it ("score" or keys of COST_WORDS).
    """

    metric: str
    costs: tuple[str, ...]
    members: tuple[str, ...]
    dominated: Mapping[str, tuple[str, ...]]
    incomplete: Mapping[str, tuple[str, ...]]

    def place(self, name: str) -> str:
        """ "member", "dominated", "incomplete" or "not placed"."""
        if name in self.members:
            return "member"
        for word, cells in (("dominated", self.dominated), ("incomplete", self.incomplete)):
            if name in cells:
                return word
        return "not placed"

    @property
    def sentence(self) -> str:
        axes = ", ".join([self.metric, *cost_names(self.costs)])
        members = ", ".join(self.members)
        if not self.members:
            parts = ["No cell can be placed on the Pareto front"]
        elif not self.dominated and len(self.members) == 1:
            parts = [f"{members} is alone: there is nothing that could dominate it in {axes}"]
        elif not self.dominated:
            parts = [f"No cell is dominated in {axes}: {members}"]
        elif len(self.members) == 1:
            others = ", ".join(self.dominated)
            parts = [f"{members} dominates every other cell in {axes}: {others}"]
        else:
            by = [f"{name} by {', '.join(rivals)}" for name, rivals in self.dominated.items()]
            parts = [f"On the Pareto front of {axes}: {members}", f"Dominated: {'; '.join(by)}"]
        if self.incomplete:
            lacks = []
            for name, keys in self.incomplete.items():
                lacks.append(f"{name} lacks {', '.join(cost_names(keys))}")
            parts.append(f"Not placed: {'; '.join(lacks)}")
        return ". ".join(parts) + "."


def front(
    candidates: Sequence[Candidate], metric: str, costs: Sequence[str] = tuple(COST_WORDS)
) -> Front:
    """Who is dominated by whom. A cost that no cell has is left out; a cell that lacks one that
    others have is incomplete, since nobody can say whether it is dominated. Cells with equal
    numbers do not dominate each other."""
    measured = []
    for key in costs:
        if any(candidate.cost(key) is not None for candidate in candidates):
            measured.append(key)
    incomplete = {}
    placed = []
    for candidate in candidates:
        lacks = [] if math.isfinite(candidate.points) else ["score"]
        for key in measured:
            if candidate.cost(key) is None:
                lacks.append(key)
        if lacks:
            incomplete[candidate.name] = tuple(lacks)
        else:
            placed.append(candidate)
    placed.sort(key=lambda candidate: (-candidate.points, candidate.name))
    beaten_by = {}
    for candidate in placed:
        rivals = []
        for rival in placed:
            if _beats(rival, candidate, measured):
                rivals.append(rival.name)
        beaten_by[candidate.name] = rivals
    members = tuple(name for name, rivals in beaten_by.items() if not rivals)
    dominated = {}
    for name, rivals in beaten_by.items():
        if rivals:
            # Overlaps are not transitive: where no member beats it, whoever does is named.
            by = tuple(rival for rival in rivals if rival in members)
            dominated[name] = by or tuple(rivals)
    return Front(metric, tuple(measured), members, dominated, incomplete)


def _beats(first: Candidate, second: Candidate, keys: Sequence[str]) -> bool:
    """Whether the first is as good in the score and in every cost, and better in something."""
    if first.points < second.points or any(costs_less(second, first, key) for key in keys):
        return False
    return first.points > second.points or any(costs_less(first, second, key) for key in keys)


def cost_names(keys: Sequence[str]) -> list[str]:
    """Keys of COST_WORDS in words; "score" is one."""
    return [COST_WORDS[key][0] if key in COST_WORDS else key for key in keys]
