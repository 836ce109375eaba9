"""The cells to choose from: a score and what they cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
    """Whether `first` is shown to be cheaper: the spreads do not overlap. A cost that overlaps
    decides nothing."""
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
