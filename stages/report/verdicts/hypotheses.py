"""Judged hypotheses as cards: the claim, its outcome, and the pairs behind it on one axis for each metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.table import label_of
from stages.report.verdicts.intervals import Axis, Mark, axis_of, mark
from stages.verdict.hypotheses import Evidence, Finding
from stages.verdict.wording import chance, corrected, count, row, signed, value

OUTCOMES = ("supported", "rejected", "undecided")


@dataclass(frozen=True)
class Row:
    """One pair of cells. first less second is drawn, so that the claim wants it right of 0, or beyond `bound`;
    values are theirs. why: what keeps it from deciding."""

    first: str
    second: str
    rest: str
    outcome: str
    values: str
    text: str
    p: str
    why: str
    title: str
    mark: Mark | None
    confounders: tuple[str, ...]


@dataclass(frozen=True)
class Plot:
    """The pairs of one metric on one axis; bound: where a claimed bound lies, in per cent, None without one."""

    metric: str
    wants: str
    axis: Axis
    bound: float | None
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Card:
    claim: str
    outcome: str
    sentence: str
    plots: tuple[Plot, ...]
    missing: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]


def cards(findings: Sequence[Finding]) -> tuple[Card, ...]:
    return tuple(_card(finding) for finding in findings)


def tally(findings: Sequence[Finding]) -> str:
    """How many hypotheses came out how."""
    if not findings:
        return "params.yaml states no hypothesis."
    counts = Counter(finding.outcome for finding in findings)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])
    confounded = sum(finding.confounded for finding in findings)
    return f"{count(len(findings), 'hypothesis') if len(findings) == 1 else f'{len(findings)} hypotheses'}: {told}" + (
        f"; {confounded} {'rests' if confounded == 1 else 'rest'} on confounded pairs." if confounded else ".")


def _card(finding: Finding) -> Card:
    # One plot for each metric and bound: they share no axis. Of an order either side may be the larger.
    groups: dict[tuple[str, float | None, str], list[Evidence]] = {}
    for one in finding.evidence:
        bound = one.step.bound
        groups.setdefault((one.metric, bound, "" if bound is None else one.step.sign), []).append(one)
    runs = {cell.name: cell.run_id for one in finding.evidence for cell in (one.left, one.right)}
    return Card(" ".join(finding.claim.split()), finding.outcome, finding.sentence,
                tuple(_plot(*key, items) for key, items in groups.items()),
                finding.missing, tuple(runs.items()))


def _plot(metric: str, bound: float | None, sign: str, items: Sequence[Evidence]) -> Plot:
    turned = [_turned(one) for one in items]
    axis = axis_of([end for *_, ends in turned for end in ends if end is not None] + [bound or 0.0])
    wants = "right of 0" if bound is None else f"{'below' if sign == '<' else 'above'} {bound:g}"
    return Plot(label_of(metric), wants, axis, None if bound is None else axis.at(bound),
                tuple(_row(one, *parts, axis) for one, parts in zip(items, turned, strict=True)))


def _turned(one: Evidence) -> tuple[bool, tuple[float | None, float | None, float | None]]:
    """Whether right less left is shown, as wording.pair tells it; and difference, low and high of what is shown."""
    flip = one.step.bound is None and one.step.sign == "<"
    sign = -1.0 if flip else 1.0
    if one.verdict:
        ends = sorted((sign * one.verdict.low, sign * one.verdict.high))
        return flip, (sign * one.verdict.difference, *ends)
    left, right = one.values
    return flip, (None if left is None or right is None else sign * (left - right), None, None)


def _row(one: Evidence, flip: bool, ends: tuple[float | None, float | None, float | None], axis: Axis) -> Row:
    step, cells, values = one.step, (one.left, one.right), one.values
    levels = (step.left, step.right)
    if flip:
        cells, values, levels = cells[::-1], values[::-1], levels[::-1]
    difference, low, high = ends
    text = "nothing to measure" if difference is None else signed(difference)
    if low is not None and high is not None:
        text += f" [{signed(low)}, {signed(high)}]"
    rest = row({factor: level for factor, level in one.left.row.items() if factor != step.factor})
    runs = "; ".join(f"{cell.name}: run {cell.run_id or 'not tracked'}" for cell in cells)
    p = chance(one.verdict.p) if one.verdict else ""
    lines = [f"{label_of(one.metric)}: {levels[0]} less {levels[1]} ({rest})", text, p and f"{p}{corrected(one.verdict.comparisons)}",
             f"{one.outcome}{': ' if one.why else ''}{one.why}",
             f"confounded by {', '.join(one.confounders)}" if one.confounders else "", runs]
    return Row(str(levels[0]), str(levels[1]), rest, one.outcome, f"{value(values[0])} and {value(values[1])}", text,
               p, one.why, "\n".join(line for line in lines if line),
               None if difference is None else mark(axis, difference, low, high), one.confounders)
