"""Pairs of cells: each as a text, all as a square of who beats whom in a metric and by how much, and
which comparisons were not fair, and by what; the pair of the choice in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.report.shown_cells import Shown, ranked_cells
from stages.report.table import label_of
from stages.report.texts import basis, difference_text
from stages.study.counts import count, is_or_are
from stages.verdict.fairness import DifferenceKind, Fairness, setting_text
from stages.verdict.judgement import Judgement
from stages.verdict.pairs import Pair
from stages.verdict.wording import chance, signed

# What a reader has to see of two whole configs, and what only follows from it or does no harm.
SHOWN: tuple[DifferenceKind, ...] = ("confounder", "declared")
FOLDED: tuple[DifferenceKind, ...] = ("consequence", "harmless")
# Of the folded ones.
FOLDED_LIMIT = 60
# More than so many times the images is no advice.
_HOPELESS = 1000
# kind, key, the values of both cells, reason
DifferenceRow = tuple[str, str, str, str, str]


def pair_text(pair: Pair) -> str:
    """A pair's difference with the interval at the level that decided it."""
    return difference_text(pair.difference.value, pair.adjusted)


def pair_title(pair: Pair, judgement: Judgement, metric: str, cells: Mapping[str, Shown]) -> str:
    """All that is known of a pair, line by line, for a tooltip."""
    family = count(len(judgement.pairs[metric]), "pairs")
    by = topics(judgement, pair)
    lines = [
        f"{pair.first} against {pair.second}: {pair.outcome}",
        f"{label_of(metric)}: {pair_text(pair)} ({basis(pair.difference)})",
        f"probability of being better {pair.probability:.3f}, {chance(pair.p)}; "
        f"{chance(pair.p_holm)} after Holm's correction over {family}, "
        "at whose level the interval is",
    ]
    if advice := deciding_numbers(pair):
        lines.append(advice)
    if by:
        lines.append(f"confounded by {', '.join(by)}")
    lines.append(f"runs {cells[pair.first].run} and {cells[pair.second].run}")
    return "\n".join(lines)


def deciding_numbers(pair: Pair) -> str:
    """How many images or repeats would decide an open pair, "" where that is not known."""
    estimate = pair.difference
    supposed = "if the difference is what it seems"
    if pair.images_needed and pair.images_needed > _HOPELESS * estimate.images:
        return f"would not be decided by {_HOPELESS:,} times as many images, {supposed}"
    ways = []
    if pair.images_needed:
        ways.append(f"{pair.images_needed:,} images instead of {estimate.images:,}")
    if pair.repeats_needed:
        if estimate.splits > 1:
            ways.append(f"{pair.repeats_needed} splits instead of {estimate.splits}")
        else:
            runs = " and ".join(map(str, estimate.runs))
            ways.append(f"{pair.repeats_needed} runs of each instead of {runs}")
    if not ways:
        return ""
    return f"would be decided by about {' or by '.join(ways)}, {supposed}"


def topics(judgement: Judgement, pair: Pair) -> tuple[str, ...]:
    """What a pair is confounded by; nothing where it was compared fairly or not at all."""
    fairness = judgement.fairness.get((pair.first, pair.second))
    return fairness.topics if fairness else ()


def rival(judgement: Judgement) -> Pair | None:
    """The chosen cell against the best one, or where that is chosen, against the next one."""
    chosen, best = judgement.choice.chosen, judgement.choice.best
    if chosen is None:
        return None
    if chosen != best:
        return judgement.pair(chosen, best or "")
    pairs = (judgement.pair(chosen, name) for name in ranked_cells(judgement) if name != chosen)
    return next(filter(None, pairs), None)


@dataclass(frozen=True)
class Square:
    """One pair: `shade` is |difference| as a share of the largest one, in per cent."""

    text: str
    outcome: str
    shade: float
    title: str
    confounded: bool


@dataclass(frozen=True)
class PairMatrix:
    """Rows and columns are `names`, the best first; None where nothing was compared."""

    label: str
    names: list[str]
    rows: list[list[Square | None]]
    sentence: str


def matrices(judgement: Judgement, cells: Mapping[str, Shown]) -> list[PairMatrix]:
    """Of the deciding metric, and of the same one on test where that has pairs."""
    metrics = dict.fromkeys((judgement.metric, judgement.test_metric))
    return [_matrix(judgement, metric, cells) for metric in metrics if judgement.pairs.get(metric)]


def decided(judgement: Judgement, metric: str) -> list[Pair]:
    """The pairs with a verdict, each as better against worse, the largest difference first."""
    pairs = []
    for pair in judgement.pairs.get(metric, ()):
        if pair.outcome != "not distinguishable":
            pairs.append(pair.swapped() if pair.outcome == "worse" else pair)
    return sorted(pairs, key=lambda pair: -pair.difference.value)


def pairs_sentence(judgement: Judgement, metric: str) -> str:
    """How many pairs are decided, and how many of them fairly."""
    pairs, clear = judgement.pairs.get(metric, ()), decided(judgement, metric)
    if not pairs:
        return f"No two cells were compared in {label_of(metric)}."
    text = (
        f"{len(clear)} of {count(len(pairs), 'pairs')} {is_or_are(len(clear))} decided in "
        f"{label_of(metric)}"
    )
    confounded = sum(bool(topics(judgement, pair)) for pair in clear)
    if confounded:
        text += f", {confounded} of them confounded"
    return f"{text}."


def _matrix(judgement: Judgement, metric: str, cells: Mapping[str, Shown]) -> PairMatrix:
    # The order of the deciding metric on every split: the squares can be laid beside each other.
    names, pairs = ranked_cells(judgement), judgement.pairs[metric]
    # 1 where no two cells differ, so that no shade is more than 0.
    largest = max(abs(pair.difference.value) for pair in pairs) or 1.0
    squares = {}
    for pair in pairs:
        for turned in (pair, pair.swapped()):
            squares[turned.first, turned.second] = Square(
                text=signed(turned.difference.value),
                outcome=turned.outcome,
                shade=round(100 * abs(turned.difference.value) / largest, 1),
                title=pair_title(turned, judgement, metric, cells),
                confounded=bool(topics(judgement, turned)),
            )
    rows = []
    for row in names:
        rows.append([squares.get((row, column)) for column in names])
    return PairMatrix(label_of(metric), names, rows, pairs_sentence(judgement, metric))


@dataclass(frozen=True)
class Confounding:
    """topics: what pairs of cells also differ in, beside what they are compared over -> a sentence
    for each pair; cautions: a sentence and of how many pairs it holds.

    fairness: the chosen cell against its rival; folded: the differences that do not confound, of
    which `left_out` are not listed.
    """

    sentence: str
    topics: Mapping[str, list[str]]
    cautions: list[tuple[str, int]]
    pairs: int
    fairness: Fairness | None
    rows: list[DifferenceRow]
    folded: list[DifferenceRow]
    left_out: int


def confounding(judgement: Judgement) -> Confounding:
    places = {name: place for place, name in enumerate(judgement.estimates)}
    pairs = []
    sentences: dict[str, list[str]] = {}
    cautions: Counter[str] = Counter()
    for (first, second), fairness in judgement.fairness.items():
        # Every two cells once.
        if places.get(first, -1) < places.get(second, -1):
            pairs.append(fairness)
            cautions.update(fairness.cautions)
            for topic in fairness.topics:
                sentences.setdefault(topic, []).append(judgement.named(fairness.sentence))
    pair = rival(judgement)
    chosen = judgement.fairness.get((pair.first, pair.second)) if pair else None
    folded = _rows(chosen, FOLDED, judgement)
    return Confounding(
        sentence=_fairness_sentence(pairs),
        topics=dict(sorted(sentences.items(), key=lambda item: -len(item[1]))),
        cautions=cautions.most_common(),
        pairs=len(pairs),
        fairness=chosen,
        rows=_rows(chosen, SHOWN, judgement),
        folded=folded[:FOLDED_LIMIT],
        left_out=max(0, len(folded) - FOLDED_LIMIT),
    )


def _fairness_sentence(pairs: Sequence[Fairness]) -> str:
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


def _rows(
    fairness: Fairness | None, kinds: Sequence[DifferenceKind], judgement: Judgement
) -> list[DifferenceRow]:
    rows = []
    for kind in kinds if fairness else ():
        for difference in fairness.of(kind):
            reason = judgement.named(difference.reason)
            if difference.follows:
                reason = f"follows from {', '.join(difference.follows)}; {reason}"
            values = setting_text(difference.a), setting_text(difference.b)
            rows.append((kind, difference.key, *values, reason))
    return rows
