"""Which cell to ship: the cheapest one that is shown to lose no more than the margin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from stages.verdict.best import Standing
from stages.verdict.costs import COSTS, Candidate, check, costs_less, finite, names_of
from stages.verdict.wording import amount, count, form

# Which of two is cheaper, where the first is equal or unknown for every cell.
CHEAPER_BY = ("latency_ms", "parameters")


@dataclass(frozen=True)
class Possible:
    """A cheaper cell than the chosen one that may lose no more than the margin, but is not shown
    to.

    saved: share of the chosen cell's cost; loss_high, images_needed, repeats_needed: as in
    best.Standing.
    """

    name: str
    saved: float
    loss_high: float
    images_needed: int | None
    repeats_needed: int | None


@dataclass(frozen=True)
class Choice:
    """The cheapest cell that is shown to lose no more than `margin` against the best of all; where
    none is, the most probable one. `chosen` is None where no cell has a score.

    cost: the key of COSTS that decides, None where none is known. best: the cell of highest score.
    shown: whether the chosen cell is shown to be within the margin. as_good: best and the cells
    whose interval against it lies above -margin, cheapest first; worse: those whose interval lies
    below 0; undecided: the others; unknown: cells without a score, a comparison or that cost.
    saved: share of the best cell's cost that the chosen one saves, in [0, 1], None where either is
    unknown or their spreads overlap. level: the other cells within the margin whose cost is not
    shown to be another than the chosen one's; of them it has the fewest parameters.
    cheaper: cells that cost less than the chosen one and remain possible, cheapest first.
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
    margin: float = 0.0
    shown: bool = False
    undecided: tuple[str, ...] = ()
    cheaper: tuple[Possible, ...] = ()
    level: tuple[str, ...] = ()


def deciding_cost(candidates: Sequence[Candidate], cost: str | None = None) -> str | None:
    """`cost`, or the first of CHEAPER_BY that a cell with a score has. Raises as `front` does."""
    check(candidates, [] if cost is None else [cost])
    if cost is not None:
        return cost
    for key in CHEAPER_BY:
        for candidate in candidates:
            if finite(candidate.score) is not None and candidate.cost(key) is not None:
                return key
    return None


def highest(candidates: Sequence[Candidate], cost: str | None = None) -> str | None:
    """The cell of highest score, of equal ones the cheapest. cost: as in `choose`."""
    key = deciding_cost(candidates, cost)
    scored = [candidate for candidate in candidates if finite(candidate.score) is not None]
    if not scored:
        return None
    return min(scored, key=lambda candidate: (-candidate.score, *_price(candidate, key))).name


def choose(
    candidates: Sequence[Candidate],
    metric: str,
    standings: Mapping[str, Standing],
    margin: float,
    cost: str | None = None,
) -> Choice:
    """The cheapest cell that is shown to lose no more than `margin`; where none is, that of highest
    score.

    standings: of stages.verdict.best.standings, against highest(candidates, cost). cost: a key of
    COSTS; None takes the first of CHEAPER_BY that any cell has. Cells that lack it cannot be called
    cheap and are left aside. Ties of the cost go to fewer parameters, then to the higher score,
    then to the name. Raises ValueError as `front` does.
    """
    key = deciding_cost(candidates, cost)
    leader = highest(candidates, cost)
    by_name = {candidate.name: candidate for candidate in candidates}
    if leader is None:
        sentence = f"Nothing to choose: no cell has a {metric}."
        return Choice(metric, key, None, None, (), (), tuple(by_name), None, sentence, margin)
    best = by_name[leader]
    words: dict[str, list[Candidate]] = {"as good": [best], "worse": [], "undecided": []}
    unknown = []
    for candidate in candidates:
        standing = standings.get(candidate.name)
        if candidate is best:
            continue
        if standing is None or (key is not None and candidate.cost(key) is None):
            unknown.append(candidate.name)
        else:
            words[standing.word].append(candidate)
    for members in words.values():
        members.sort(key=lambda candidate: _price(candidate, key))
    placed = sorted(chain(*words.values()), key=lambda candidate: _price(candidate, key))
    priced = key is not None and best.cost(key) is not None
    within = []
    for candidate in placed if priced else [best]:
        standing = standings.get(candidate.name)
        if standing is not None and not standing.thin and standing.loss_high <= margin:
            within.append(candidate)
    chosen = best
    level: tuple[str, ...] = ()
    if within and priced:
        chosen, level = _cheapest(within, key)
    cheaper: tuple[Possible, ...] = ()
    if priced:
        cheaper = _possible(placed, chosen, standings, key, margin)
    saved = None
    comparable = key is not None and chosen.cost(key) is not None and bool(best.cost(key))
    if comparable and (chosen.cost(key) == best.cost(key) or costs_less(chosen, best, key)):
        saved = max(0.0, 1 - chosen.cost(key) / best.cost(key))
    choice = Choice(
        metric=metric,
        cost=key,
        best=best.name,
        chosen=chosen.name,
        as_good=names_of(words["as good"]),
        worse=names_of(words["worse"]),
        unknown=tuple(unknown),
        saved=saved,
        sentence="",
        margin=margin,
        shown=bool(within),
        undecided=names_of(words["undecided"]),
        cheaper=cheaper,
        level=level,
    )
    return replace(choice, sentence=choice_sentence(choice, best, chosen, standings))


def _possible(
    placed: Sequence[Candidate],
    chosen: Candidate,
    standings: Mapping[str, Standing],
    key: str,
    margin: float,
) -> tuple[Possible, ...]:
    """The cells that cost less than the chosen one and are not shown to lose too much."""
    result = []
    for candidate in placed:
        if not costs_less(candidate, chosen, key):
            continue
        standing = standings[candidate.name]
        if standing.interval[1] >= -margin:
            result.append(
                Possible(
                    candidate.name,
                    1 - candidate.cost(key) / chosen.cost(key),
                    standing.loss_high,
                    standing.images_needed,
                    standing.repeats_needed,
                )
            )
    return tuple(result)


def _cheapest(within: Sequence[Candidate], key: str) -> tuple[Candidate, tuple[str, ...]]:
    """Of cells by rising price the one to take, and the others that are not shown to cost more:
    where costs overlap, fewer parameters decide, then the higher score, then the name."""
    lowest = within[0]
    level = [candidate for candidate in within if not costs_less(lowest, candidate, key)]
    chosen = min(level, key=lambda candidate: _price(candidate, None))
    names = [candidate.name for candidate in level if candidate is not chosen]
    return chosen, tuple(names)


def _price(candidate: Candidate, key: str | None) -> tuple:
    costs = []
    for name in (key, "parameters"):
        cost = None if name is None else candidate.cost(name)
        costs.append(math.inf if cost is None else cost)
    return (*costs, -candidate.score, candidate.name)


def choice_sentence(
    choice: Choice, best: Candidate, chosen: Candidate, standings: Mapping[str, Standing]
) -> str:
    """The choice in words."""
    score = f"{best.name} has the highest {choice.metric}, {best.score:.3f}"
    parts = []
    if not standings or len(standings) == 1:
        parts.append(f"{score}; there is no other cell to weigh it against.")
    elif choice.shown:
        parts.append(_shown_sentence(choice, best, chosen, standings[chosen.name]))
    else:
        parts.append(
            f"{chosen.name} is the most probable choice, not a shown one: it has the highest "
            f"{choice.metric}, {best.score:.3f}, and may lose up to "
            f"{standings[chosen.name].loss_high:.3f} against the best of all, where {choice.margin:g} "
            "is accepted."
        )
    if choice.cost is None or best.cost(choice.cost) is None:
        missing = "cost" if choice.cost is None else COSTS[choice.cost][0]
        parts.append(f"Its {missing} was not measured, so that no cell is known to be cheaper.")
    if choice.cheaper:
        number = len(choice.cheaper)
        cheapest = choice.cheaper[0]
        parts.append(
            f"{count(number, 'cheaper cell')} {form(number, 'remains', 'remain')} possible; "
            f"the cheapest, {cheapest.name}, would save {cheapest.saved:.0%} of the "
            f"{COSTS[choice.cost][0]} and may lose up to {cheapest.loss_high:.3f}."
        )
    if choice.unknown:
        parts.append(
            f"Left aside for want of a verdict, a score or the cost: {', '.join(choice.unknown)}."
        )
    return " ".join(parts)


def _shown_sentence(choice: Choice, best: Candidate, chosen: Candidate, standing: Standing) -> str:
    within = (
        f"it is shown to lose at most {standing.loss_high:.3f} against the best of all, within the "
        f"{choice.margin:g} that are accepted"
    )
    if choice.cost is None or chosen.cost(choice.cost) is None:
        return f"Ship {chosen.name}: {within}."
    word, unit = COSTS[choice.cost]
    price = f"{amount(chosen.cost(choice.cost))} {unit}".strip()
    if chosen is best:
        return (
            f"Ship {chosen.name}: it has the highest {choice.metric}, {best.score:.3f}, and {within}; "
            f"its {word} is {price}."
        )
    theirs = f"{best.name}'s {amount(best.cost(choice.cost))}"
    gain = f"{choice.saved:.0%} less than {theirs}" if choice.saved else f"against {theirs}"
    if choice.level:
        gain += (
            f", which does not tell it from that of {', '.join(choice.level)}: of these it has the "
            "fewest parameters"
        )
    return (
        f"Ship {chosen.name}: {within}, and has the lowest {word} of the cells of which that is shown, "
        f"{price}, {gain}. {best.name} has the highest {choice.metric}, {best.score:.3f}; "
        f"{chosen.name} has {chosen.score:.3f}."
    )
