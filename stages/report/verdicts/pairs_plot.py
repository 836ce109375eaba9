"""All pairs of cells as a square: who beats whom in a metric, by how much, and whether fairly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stages.report.table import label_of
from stages.report.verdicts.phrases import OUTCOMES, order, pair_title, topics
from stages.study.counts import count, is_or_are
from stages.verdict.judgement import Judgement
from stages.verdict.pairs import Pair
from stages.verdict.wording import signed


@dataclass(frozen=True)
class Square:
    """One pair: `shade` is |difference| as a share of the largest one, in per cent."""

    text: str
    symbol: str
    outcome: str
    shade: float
    title: str
    confounded: bool


@dataclass(frozen=True)
class PairMatrix:
    """Rows and columns are `names`, the best first; None where nothing was compared."""

    metric: str
    label: str
    names: tuple[str, ...]
    rows: tuple[tuple[Square | None, ...], ...]
    sentence: str


def matrices(judgement: Judgement, run_ids: Mapping[str, str]) -> tuple[PairMatrix, ...]:
    """Of the deciding metric, and of the same one on test where that has pairs."""
    metrics = dict.fromkeys((judgement.metric, "test/" + judgement.metric.partition("/")[2]))
    return tuple(
        _matrix(judgement, metric, run_ids) for metric in metrics if judgement.pairs.get(metric)
    )


def decided(judgement: Judgement, metric: str = "") -> tuple[Pair, ...]:
    """The pairs with a verdict, each as better against worse, the largest difference first."""
    pairs = []
    for pair in judgement.pairs.get(metric or judgement.metric, ()):
        if pair.outcome != "not distinguishable":
            if pair.outcome == "worse":
                pair = pair.swapped()
            pairs.append(pair)
    return tuple(sorted(pairs, key=lambda pair: -pair.difference.value))


def sentence(judgement: Judgement, metric: str = "") -> str:
    """How many pairs are decided, and how many of them fairly."""
    metric = metric or judgement.metric
    pairs, clear = judgement.pairs.get(metric, ()), decided(judgement, metric)
    if not pairs:
        return f"No two cells were compared in {label_of(metric)}."
    text = (
        f"{len(clear)} of {count(len(pairs), 'pairs')} {is_or_are(len(clear))} decided in "
        f"{label_of(metric)}"
    )
    confounded = sum(bool(topics(judgement, pair.first, pair.second)) for pair in clear)
    if confounded:
        text += f", {confounded} of them confounded"
    return f"{text}."


def _matrix(judgement: Judgement, metric: str, run_ids: Mapping[str, str]) -> PairMatrix:
    # The order of the deciding metric on every split: the squares can be laid beside each other.
    names, pairs = order(judgement), judgement.pairs[metric]
    # 1 where no two cells differ, so that no shade is more than 0.
    largest = max(abs(pair.difference.value) for pair in pairs) or 1.0
    squares = {}
    for pair in pairs:
        for turned in (pair, pair.swapped()):
            size = abs(turned.difference.value)
            squares[turned.first, turned.second] = Square(
                text=signed(turned.difference.value),
                symbol=OUTCOMES[turned.outcome][0],
                outcome=turned.outcome,
                shade=round(100 * size / largest, 1),
                title=pair_title(turned, judgement, metric, run_ids, len(pairs)),
                confounded=bool(topics(judgement, turned.first, turned.second)),
            )
    rows = []
    for row in names:
        rows.append(tuple(squares.get((row, column)) for column in names))
    return PairMatrix(
        metric, label_of(metric), tuple(names), tuple(rows), sentence(judgement, metric)
    )
