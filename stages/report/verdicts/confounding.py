"""Which comparisons were not fair, and by what: all pairs in numbers, the one that the choice rests on in full."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from stages.report.verdicts.decision import rival
from stages.verdict.fairness import Difference, Fairness, show
from stages.verdict.judgement import Judgement
from stages.verdict.wording import count

# What a reader has to see of two whole configs, and what only follows from it or does no harm: hundreds of keys.
SHOWN = ("confounder", "declared")
FOLDED = ("consequence", "harmless")
# Of the folded ones.
MOST = 60

Row = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Topic:
    """What `pairs`, in the order of the cells, also differ in beside what they are compared over."""

    name: str
    pairs: tuple[Fairness, ...]


@dataclass(frozen=True)
class Detail:
    """The chosen cell against its rival: rows of (kind, key, value, other value, why); folded: those that do not
    confound, and how many of these were left out."""

    first: str
    second: str
    sentence: str
    rows: tuple[Row, ...]
    folded: tuple[Row, ...]
    left_out: int
    cautions: tuple[str, ...]


@dataclass(frozen=True)
class Confounding:
    """cautions: a sentence and of how many pairs it holds."""

    sentence: str
    topics: tuple[Topic, ...]
    cautions: tuple[tuple[str, int], ...]
    pairs: int
    detail: Detail | None


def confounding(judgement: Judgement) -> Confounding:
    pairs = unordered(judgement)
    topics: dict[str, list[Fairness]] = {}
    for one in pairs:
        for topic in one.topics:
            topics.setdefault(topic, []).append(one)
    cautions = Counter(caution for one in pairs for caution in one.cautions)
    chosen, other = judgement.choice.chosen, rival(judgement)
    fairness = judgement.fairness.get((chosen, other)) if chosen and other else None
    return Confounding(
        _sentence(pairs), tuple(Topic(name, tuple(found)) for name, found in
                                sorted(topics.items(), key=lambda item: -len(item[1]))),
        tuple(cautions.most_common()), len(pairs), _detail(fairness) if fairness else None)


def unordered(judgement: Judgement) -> tuple[Fairness, ...]:
    """Every two cells once."""
    place = {name: index for index, name in enumerate(judgement.estimates)}
    return tuple(one for (a, b), one in judgement.fairness.items() if place.get(a, -1) < place.get(b, -1))


def _sentence(pairs: tuple[Fairness, ...]) -> str:
    unfair = sum(not one.fair for one in pairs)
    if not pairs:
        return "There are no two cells to compare."
    if not unfair:
        if len(pairs) == 1:
            return "The only pair of cells is fair: the two differ in nothing that they are not compared over."
        return f"All {len(pairs)} pairs of cells are fair: no two differ in anything that they are not compared over."
    return f"{unfair} of {count(len(pairs), 'pair')} of cells {'is' if unfair == 1 else 'are'} confounded: the two " \
           "also differ in something that their comparison is not about."


def _detail(fairness: Fairness) -> Detail:
    shown, folded = (tuple(_told(one) for kind in kinds for one in fairness.of(kind)) for kinds in (SHOWN, FOLDED))
    return Detail(fairness.a, fairness.b, fairness.sentence, shown, folded[:MOST], max(0, len(folded) - MOST),
                  fairness.cautions)


def _told(one: Difference) -> Row:
    why = f"follows from {', '.join(one.follows)}; {one.why}" if one.follows else one.why
    return one.kind, one.key, show(one.a), show(one.b), why
