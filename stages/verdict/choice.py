"""Which cell to ship: the cheapest one that is shown to lose no more than the margin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stages.study.counts import count, form
from stages.verdict.best import Standing
from stages.verdict.costs import COST_WORDS, Candidate, costs_less, finite
from stages.verdict.wording import amount


@dataclass(frozen=True)
class Choice:
    """The cheapest cell that is shown to lose no more than the margin against the best of all; where
    none is, the most probable one. `chosen` is None where no cell has a score.

    cost: the key of COST_WORDS that decides. best: the cell of highest score. shown: whether the
    chosen cell is shown to be within the margin. unknown: cells without a score, a comparison or
    that cost. saved: share of the best cell's cost that the chosen one saves, in [0, 1], None where
    either is unknown or their spreads overlap. level: the other cells within the margin whose cost
    is not shown to be another than the chosen one's; of them it has the fewest parameters. cheaper:
    cells that cost less than the chosen one and may lose no more than the margin, but are not shown
    to, cheapest first -> share of the chosen one's cost that they save.
    """

    cost: str
    best: str | None = None
    chosen: str | None = None
    unknown: tuple[str, ...] = ()
    saved: float | None = None
    sentence: str = ""
    shown: bool = False
    cheaper: Mapping[str, float] = field(default_factory=dict)
    level: tuple[str, ...] = ()


def highest_cell(candidates: Sequence[Candidate], cost: str) -> str | None:
    """The cell of highest score, of equal ones the cheapest by `cost`, a key of COST_WORDS."""
    scored = [candidate for candidate in candidates if finite(candidate.score) is not None]
    if not scored:
        return None
    return min(scored, key=lambda candidate: (-candidate.points, *_price(candidate, cost))).name


def choose_cell(
    candidates: Sequence[Candidate],
    metric: str,
    standings: Mapping[str, Standing],
    margin: float,
    cost: str,
) -> Choice:
    """The cheapest cell that is shown to lose no more than `margin`; where none is, that of highest
    score.

    standings: of stages.verdict.best.standings, against highest_cell(candidates, cost). cost: a key
    of COST_WORDS. Cells that lack it cannot be called cheap and are left aside. Ties of the cost go
    to fewer parameters, then to the higher score, then to the name.
    """
    leader = highest_cell(candidates, cost)
    by_name = {candidate.name: candidate for candidate in candidates}
    if leader is None:
        sentence = f"Nothing to choose: no cell has a {metric}."
        return Choice(cost, unknown=tuple(by_name), sentence=sentence)
    best = by_name.pop(leader)
    rivals, unknown = [], []
    for name, candidate in by_name.items():
        if name not in standings or candidate.cost(cost) is None:
            unknown.append(name)
        else:
            rivals.append(candidate)
    if best.cost(cost) is None:
        # Nobody is known to be cheaper.
        rivals = []
    placed = sorted((best, *rivals), key=lambda candidate: _price(candidate, cost))
    within = []
    for candidate in placed:
        standing = standings.get(candidate.name)
        if standing is not None and not standing.thin and standing.loss_high <= margin:
            within.append(candidate)
    # Where costs overlap, fewer parameters decide, then the higher score, then the name.
    level = [candidate for candidate in within if not costs_less(within[0], candidate, cost)]
    chosen = min(level, key=lambda candidate: _price(candidate, "parameters"), default=best)
    cheaper = {}
    for candidate in placed:
        if costs_less(candidate, chosen, cost) and standings[candidate.name].interval[1] >= -margin:
            cheaper[candidate.name] = _saved(candidate, chosen, cost) or 0.0
    choice = Choice(
        cost=cost,
        best=best.name,
        chosen=chosen.name,
        unknown=tuple(unknown),
        saved=_saved(chosen, best, cost),
        shown=bool(within),
        cheaper=cheaper,
        level=tuple(candidate.name for candidate in level if candidate is not chosen),
    )
    return replace(choice, sentence=_sentence(choice, best, chosen, metric, standings, margin))


def _saved(candidate: Candidate, rival: Candidate, key: str) -> float | None:
    """The share of the rival's cost, None where the candidate is not known to cost less or as much."""
    own, cost = candidate.cost(key), rival.cost(key)
    if own is None or not cost or not (own == cost or costs_less(candidate, rival, key)):
        return None
    return max(0.0, 1 - own / cost)


def _price(candidate: Candidate, key: str) -> tuple[float, float, float, str]:
    costs = []
    for name in (key, "parameters"):
        cost = candidate.cost(name)
        costs.append(math.inf if cost is None else cost)
    return costs[0], costs[1], -candidate.points, candidate.name


def _sentence(
    choice: Choice,
    best: Candidate,
    chosen: Candidate,
    metric: str,
    standings: Mapping[str, Standing],
    margin: float,
) -> str:
    score = f"has the highest {metric}, {best.points:.3f}"
    word, _ = COST_WORDS[choice.cost]
    if len(standings) < 2:
        parts = [f"{best.name} {score}; there is no other cell to weigh it against."]
    elif not choice.shown:
        parts = [
            f"{chosen.name} is the most probable choice, not a shown one: it {score}, and may lose up "
            f"to {standings[chosen.name].loss_high:.3f} against the best of all, where {margin:g} is "
            "accepted."
        ]
    else:
        within = (
            f"it is shown to lose at most {standings[chosen.name].loss_high:.3f} against the best of "
            f"all, within the {margin:g} that are accepted"
        )
        parts = [_shipping(choice, best, chosen, score, within)]
    if best.cost(choice.cost) is None:
        parts.append(f"Its {word} was not measured, so that no cell is known to be cheaper.")
    if choice.cheaper:
        number, (cheapest, saved) = len(choice.cheaper), next(iter(choice.cheaper.items()))
        parts.append(
            f"{count(number, 'cheaper cells')} {form(number, 'remains', 'remain')} possible; the "
            f"cheapest, {cheapest}, would save {saved:.0%} of the {word} and may lose up to "
            f"{standings[cheapest].loss_high:.3f}."
        )
    if choice.unknown:
        parts.append(
            f"Left aside for want of a verdict, a score or the cost: {', '.join(choice.unknown)}."
        )
    return " ".join(parts)


def _shipping(choice: Choice, best: Candidate, chosen: Candidate, score: str, within: str) -> str:
    """score, within: what best has, and what is shown of chosen."""
    own, cost = chosen.cost(choice.cost), best.cost(choice.cost)
    if own is None or cost is None:
        return f"Ship {chosen.name}: {within}."
    word, unit = COST_WORDS[choice.cost]
    price = f"{amount(own)} {unit}".strip()
    if chosen is best:
        return f"Ship {chosen.name}: it {score}, and {within}; its {word} is {price}."
    gain = f"{choice.saved:.0%} less than" if choice.saved else "against"
    gain += f" {best.name}'s {amount(cost)}"
    if choice.level:
        gain += (
            f", which does not tell it from that of {', '.join(choice.level)}: of these it has the "
            "fewest parameters"
        )
    return (
        f"Ship {chosen.name}: {within}, and has the lowest {word} of the cells of which that is shown, "
        f"{price}, {gain}. {best.name} {score}; {chosen.name} has {chosen.points:.3f}."
    )
