"""Which comparisons were not fair, and by what; that of the choice in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.report.verdicts.phrases import rival
from stages.study.counts import count, is_or_are
from stages.verdict.fairness import Difference, Fairness, show
from stages.verdict.judgement import Judgement

# What a reader has to see of two whole configs, and what only follows from it or does no harm.
SHOWN = ("confounder", "declared")
FOLDED = ("consequence", "harmless")
# Of the folded ones.
MOST = 60

# kind, key, the values of both cells, reason
Row = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Detail:
    """The chosen cell against its rival; folded: the differences that do not confound, of which
    `left_out` are not listed."""

    first: str
    second: str
    sentence: str
    rows: tuple[Row, ...]
    folded: tuple[Row, ...]
    left_out: int
    cautions: tuple[str, ...]


@dataclass(frozen=True)
class Confounding:
    """topics: what pairs of cells also differ in, beside what they are compared over -> a sentence
    for each pair; cautions: a sentence and of how many pairs it holds."""

    sentence: str
    topics: Mapping[str, list[str]]
    cautions: tuple[tuple[str, int], ...]
    pairs: int
    detail: Detail | None


def confounding(judgement: Judgement) -> Confounding:
    pairs = unordered(judgement)
    sentences: dict[str, list[str]] = {}
    cautions: Counter[str] = Counter()
    for pair in pairs:
        cautions.update(pair.cautions)
        for topic in pair.topics:
            sentences.setdefault(topic, []).append(judgement.named(pair.sentence))
    topics = sorted(sentences, key=lambda topic: -len(sentences[topic]))
    chosen, best_rival = judgement.choice.chosen, rival(judgement)
    fairness = None
    if chosen and best_rival:
        fairness = judgement.fairness.get((chosen, best_rival))
    return Confounding(
        sentence=_sentence(pairs),
        topics={topic: sentences[topic] for topic in topics},
        cautions=tuple(cautions.most_common()),
        pairs=len(pairs),
        detail=_detail(fairness, judgement) if fairness else None,
    )


def unordered(judgement: Judgement) -> tuple[Fairness, ...]:
    """Every two cells once."""
    places = {name: place for place, name in enumerate(judgement.estimates)}
    pairs = []
    for (first, second), fairness in judgement.fairness.items():
        if places.get(first, -1) < places.get(second, -1):
            pairs.append(fairness)
    return tuple(pairs)


def _sentence(pairs: Sequence[Fairness]) -> str:
    unfair = sum(not pair.fair for pair in pairs)
    if not pairs:
        return "There are no two cells to compare."
    if not unfair and len(pairs) == 1:
        return "The only pair of cells is fair: the two differ in nothing but what is compared."
    if not unfair:
        return f"All {len(pairs)} pairs of cells are fair: no two differ in more than is compared."
    return (
        f"{unfair} of {count(len(pairs), 'pairs')} of cells {is_or_are(unfair)} confounded: the two "
        "also differ in a setting that the comparison is not about, so that nobody can tell which "
        "one made the difference."
    )


def _detail(fairness: Fairness, judgement: Judgement) -> Detail:
    rows, folded = [], []
    for kind in (*SHOWN, *FOLDED):
        part = rows if kind in SHOWN else folded
        for difference in fairness.of(kind):
            part.append(_row(difference, judgement))
    return Detail(
        first=judgement.short(fairness.a),
        second=judgement.short(fairness.b),
        sentence=judgement.named(fairness.sentence),
        rows=tuple(rows),
        folded=tuple(folded[:MOST]),
        left_out=max(0, len(folded) - MOST),
        cautions=tuple(judgement.named(caution) for caution in fairness.cautions),
    )


def _row(difference: Difference, judgement: Judgement) -> Row:
    reason = judgement.named(difference.reason)
    if difference.follows:
        reason = f"follows from {', '.join(difference.follows)}; {reason}"
    return difference.kind, difference.key, show(difference.a), show(difference.b), reason
