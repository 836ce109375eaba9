"""All pairs of cells as a square: who beats whom in a metric, by how much, and whether the comparison was fair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.table import label_of
from stages.report.verdicts.decision import order
from stages.report.verdicts.standing import OUTCOMES, pair_title, topics
from stages.verdict.judgement import Judgement
from stages.verdict.pairs import Pair
from stages.verdict.wording import count, signed


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
    """Rows and columns are `names`, the best in what decides first; None where nothing was compared."""

    metric: str
    label: str
    names: tuple[str, ...]
    rows: tuple[tuple[Square | None, ...], ...]
    sentence: str


def matrices(judgement: Judgement, run_ids: dict[str, str]) -> tuple[PairMatrix, ...]:
    """Of the deciding metric, and of the same one on test where that has pairs."""
    wanted = dict.fromkeys((judgement.metric, "test/" + judgement.metric.partition("/")[2]))
    return tuple(_matrix(judgement, metric, run_ids) for metric in wanted if judgement.pairs.get(metric))


def decided(judgement: Judgement, metric: str = "") -> tuple[Pair, ...]:
    """The pairs with a verdict, each as better against worse, the largest difference first."""
    found = [pair if pair.outcome == "better" else pair.swapped()
             for pair in judgement.pairs.get(metric or judgement.metric, ()) if pair.outcome != "not distinguishable"]
    return tuple(sorted(found, key=lambda pair: -pair.difference.value))


def sentence(judgement: Judgement, metric: str = "") -> str:
    """How many pairs are decided, and how many of them fairly."""
    metric = metric or judgement.metric
    pairs, clear = judgement.pairs.get(metric, ()), decided(judgement, metric)
    if not pairs:
        return f"No two cells were compared in {label_of(metric)}."
    verb = "is" if len(clear) == 1 else "are"
    text = f"{len(clear)} of {count(len(pairs), 'pair')} {verb} decided in {label_of(metric)}"
    confounded = sum(bool(topics(judgement, pair.first, pair.second)) for pair in clear)
    return text + (f", {confounded} of them confounded." if confounded else ".")


def _matrix(judgement: Judgement, metric: str, run_ids: dict[str, str]) -> PairMatrix:
    # The order of the deciding metric on every split, so that the squares can be laid beside each other.
    names, pairs = order(judgement), judgement.pairs[metric]
    most = max(abs(pair.difference.value) for pair in pairs)
    known = {(pair.first, pair.second): pair for one in pairs for pair in (one, one.swapped())}

    def square(row: str, column: str) -> Square | None:
        pair = known.get((row, column))
        if pair is None:
            return None
        by = topics(judgement, row, column)
        return Square(signed(pair.difference.value), OUTCOMES[pair.outcome][0], pair.outcome,
                      round(100 * abs(pair.difference.value) / most, 1) if most else 0.0,
                      pair_title(pair, metric, run_ids, len(pairs), by), bool(by))

    return PairMatrix(metric, label_of(metric), tuple(names), _grid(names, square), sentence(judgement, metric))


def _grid(names: Sequence[str], square) -> tuple[tuple[Square | None, ...], ...]:
    return tuple(tuple(None if row == column else square(row, column) for column in names) for row in names)
