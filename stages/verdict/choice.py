"""Which cell to ship: accuracy against cost, the Pareto front, and the cheapest cell that is as good as the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stages.verdict.hypotheses import VerdictOf

# What a cell costs, all the lower the better, with the words of a sentence and the unit.
COSTS = {
    "latency_ms": ("latency", "ms"),
    "peak_memory_mib": ("peak memory", "MiB"),
    "train_minutes": ("training time", "min"),
    "size_mib": ("checkpoint size", "MiB"),
    "parameters": ("number of parameters", ""),
}
# Which of two is cheaper, where the first is equal or unknown for every cell.
CHEAPER_BY = ("latency_ms", "parameters")


@dataclass(frozen=True)
class Candidate:
    """A cell to choose from. score: the metric, higher is better, None where there is nothing to measure; costs: a key
    of COSTS -> value in its unit, None or absent where it was not measured. NaN and infinity count as None."""

    name: str
    score: float | None
    costs: Mapping[str, float | None] = field(default_factory=dict)
    run_id: str = ""

    def cost(self, key: str) -> float | None:
        return _finite(self.costs.get(key))


@dataclass(frozen=True)
class Dominated:
    """A cell that each member `by` beats or equals in score and every cost, and beats in one of them."""

    name: str
    by: tuple[str, ...]


@dataclass(frozen=True)
class Incomplete:
    """A cell that cannot be placed, and what was not measured of it ("score" or keys of COSTS)."""

    name: str
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class Front:
    """The Pareto front over the score and `costs`: `members` are dominated by nobody, in falling score. Every cell is
    in one of the three."""

    metric: str
    costs: tuple[str, ...]
    members: tuple[str, ...]
    dominated: tuple[Dominated, ...]
    incomplete: tuple[Incomplete, ...]
    sentence: str


@dataclass(frozen=True)
class Choice:
    """The cheapest cell that is not significantly worse than the best. `chosen` is None where no cell has a score.

    cost: the key of COSTS that decided, None where none is known. worse: cells that are worse than the best, or whose
    95 % interval against it lies below 0; as_good: the others, cheapest first; unknown: cells without a verdict or
    without that cost.
    saved: share of the best cell's cost that the chosen one saves, in [0, 1], None where either is unknown.
    """

    metric: str
    cost: str | None
    best: str | None
    chosen: str | None
    as_good: tuple[str, ...]
    worse: tuple[str, ...]
    unknown: tuple[str, ...]
    saved: float | None
    sentence: str


def front(candidates: Sequence[Candidate], metric: str, costs: Sequence[str] = tuple(COSTS)) -> Front:
    """Who is dominated by whom. A cost that no cell has is left out; a cell that lacks one that others have is
    incomplete, since nobody can say whether it is dominated. Cells with equal numbers do not dominate each other.

    Raises ValueError for a cost that is not one of COSTS, and for two cells of one name.
    """
    _check(candidates, costs)
    used = tuple(key for key in costs if any(one.cost(key) is not None for one in candidates))
    lacks = {one.name: tuple(["score"] * (_finite(one.score) is None) + [key for key in used if one.cost(key) is None])
             for one in candidates}
    # Falling scores: only an earlier cell, or one that ties with it, can dominate.
    placed = sorted((one for one in candidates if not lacks[one.name]), key=lambda one: (-one.score, one.name))
    numbers = {one.name: (-one.score, *(one.cost(key) for key in used)) for one in placed}

    def beats(a: str, b: str) -> bool:
        return a != b and numbers[a] != numbers[b] and all(x <= y for x, y in zip(numbers[a], numbers[b], strict=True))

    members = tuple(name for name in numbers if not any(beats(other, name) for other in numbers))
    dominated = tuple(Dominated(name, tuple(member for member in members if beats(member, name)))
                      for name in numbers if name not in members)
    incomplete = tuple(Incomplete(name, what) for name, what in lacks.items() if what)
    return Front(metric, used, members, dominated, incomplete,
                 _front_sentence(metric, used, members, dominated, incomplete))


def choose(candidates: Sequence[Candidate], metric: str, verdict: VerdictOf | None = None,
           cost: str | None = None) -> Choice:
    """The best cell by score (the cheaper one of a tie) and the cheapest that is not significantly worse.

    What counts here is the plain 95 % interval: the correction for many pairs keeps chance from being called a
    difference, but the mistake to avoid here is to call a worse cell as good.

    cost: a key of COSTS; None takes the first of CHEAPER_BY that any cell has. Cells that lack it cannot be called
    cheap and are left aside. verdict: of (cell, best, metric); without one a cell is not known to be as good. Ties of
    the cost go to fewer parameters, then to the higher score, then to the name. Raises ValueError as `front` does.
    """
    _check(candidates, [cost] * (cost is not None))
    scored = [one for one in candidates if _finite(one.score) is not None]
    unscored = tuple(one.name for one in candidates if _finite(one.score) is None)
    key = cost or next((known for known in CHEAPER_BY if any(one.cost(known) is not None for one in scored)), None)

    def price(one: Candidate) -> tuple:
        costs = [math.inf if known is None or one.cost(known) is None else one.cost(known)
                 for known in (key, "parameters")]
        return (*costs, -one.score, one.name)

    if not scored:
        return Choice(metric, key, None, None, (), (), unscored, None, f"Nothing to choose: no cell has a {metric}.")
    best = min(scored, key=lambda one: (-one.score, *price(one)))
    as_good, worse, unknown = [best], [], []
    for one in scored:
        if one is best:
            continue
        found = verdict(one.name, best.name, metric) if verdict else None
        if found is not None and (found.outcome == "worse" or found.high < 0):
            worse.append(one.name)
        elif found is None or (key is not None and one.cost(key) is None):
            unknown.append(one.name)
        else:
            as_good.append(one)
    as_good.sort(key=price)
    chosen = as_good[0] if key is not None and best.cost(key) is not None else best
    saved = None
    if key is not None and chosen.cost(key) is not None and best.cost(key):
        saved = max(0.0, 1 - chosen.cost(key) / best.cost(key))
    told = _choice_sentence(metric, key, best, chosen, len(as_good), len(worse), saved)
    left = (*unknown, *unscored)
    if left:
        told += f" Left aside for want of a verdict, a score or the cost: {', '.join(left)}."
    return Choice(metric, key, best.name, chosen.name, tuple(one.name for one in as_good), tuple(worse), left, saved,
                  told)


def _choice_sentence(metric: str, key: str | None, best: Candidate, chosen: Candidate, as_good: int, worse: int,
                     saved: float | None) -> str:
    score = f"{best.name} has the highest {metric}, {best.score:.3f}"
    if as_good + worse == 1:
        return f"{score}; there is no other cell to weigh it against."
    if key is None or best.cost(key) is None:
        what = COSTS[key][0] if key else "cost"
        return f"{score}; its {what} was not measured, so that no cell is known to be cheaper."
    word, unit = COSTS[key]
    price = f"{_amount(chosen.cost(key))} {unit}".strip()
    if chosen is not best:
        theirs = f"{best.name}'s {_amount(best.cost(key))}"
        fewer = ", with fewer parameters" * (best.cost("parameters") is not None)
        gain = f"{saved:.0%} less than {theirs}" if saved else f"against {theirs}{fewer}"
        return (f"Ship {chosen.name}: of the {as_good} cells that are not significantly worse than the best it has the "
                f"lowest {word}, {price}, {gain}. {score}; {chosen.name} has {chosen.score:.3f}.")
    ship = f"Ship {best.name}: it has the highest {metric}, {best.score:.3f}"
    if as_good == 1:
        return f"{ship}, and {_others(worse)} significantly worse; its {word} is {price}."
    return (f"{ship}, and none of the {as_good} cells that are not significantly worse has a lower {word} than its "
            f"{price}.")


def _front_sentence(metric: str, used: Sequence[str], members: Sequence[str], dominated: Sequence[Dominated],
                    incomplete: Sequence[Incomplete]) -> str:
    axes = ", ".join([metric, *(COSTS[key][0] for key in used)])
    parts = []
    if not members:
        parts.append("No cell can be placed on the Pareto front")
    elif not dominated:
        parts.append(f"No cell is dominated in {axes}: {', '.join(members)}" if len(members) > 1 else
                     f"{members[0]} is alone: there is nothing that could dominate it in {axes}")
    elif len(members) == 1:
        parts.append(f"{members[0]} dominates every other cell in {axes}: {', '.join(one.name for one in dominated)}")
    else:
        parts.append(f"On the Pareto front of {axes}: {', '.join(members)}")
        parts.append("Dominated: " + "; ".join(f"{one.name} by {', '.join(one.by)}" for one in dominated))
    if incomplete:
        parts.append("Not placed: " + "; ".join(
            f"{one.name} lacks {', '.join(COSTS[key][0] if key in COSTS else key for key in one.lacks)}"
            for one in incomplete))
    return ". ".join(parts) + "."


def _others(number: int) -> str:
    return "the other cell is" if number == 1 else f"all {number} others are"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _check(candidates: Sequence[Candidate], costs: Sequence[str]) -> None:
    for key in costs:
        if key not in COSTS:
            raise ValueError(f"cost {key!r} is unknown; known costs: {', '.join(COSTS)}")
    names = [one.name for one in candidates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two candidates are called {', '.join(map(repr, twice))}")
