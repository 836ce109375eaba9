"""Judged hypotheses as cards: claim, outcome, and the pairs behind it on an axis per metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.drawing import Axis, Mark, axis_of
from stages.report.table import label_of
from stages.study.counts import form, is_or_are
from stages.study.names import SEPARATOR
from stages.verdict.evidence import Evidence, undertrained
from stages.verdict.hypotheses import Finding, expected_false_alarms
from stages.verdict.judgement import Judgement
from stages.verdict.wording import chance, corrected, signed, with_interval

HYPOTHESIS_OUTCOMES = ("supported", "rejected", "undecided")


@dataclass(frozen=True)
class EvidenceRow:
    """One pair of cells. rest: what the two have in common. The difference is drawn in the claim's
    direction, so that the claim wants it right of 0, or beyond a bound."""

    evidence: Evidence
    rest: str
    text: str
    p: str
    title: str
    mark: Mark | None


@dataclass(frozen=True)
class EvidencePlot:
    """The pairs of one metric on one axis; bound: where a claimed bound lies, in per cent."""

    metric: str
    wants: str
    axis: Axis
    bound: float | None
    rows: tuple[EvidenceRow, ...]


@dataclass(frozen=True)
class HypothesisCard:
    """sentence: what the outcome rests on; cells: row of params.yaml, run."""

    claim: str
    outcome: str
    sentence: str
    plots: tuple[EvidencePlot, ...]
    cells: tuple[tuple[str, str], ...]


def hypotheses_tally(findings: Sequence[Finding]) -> str:
    """How many hypotheses came out how, and how many of that chance would make."""
    if not findings:
        return "params.yaml states no hypothesis."
    counts = Counter(finding.outcome for finding in findings)
    listed = [f"{counts[outcome]} {outcome}" for outcome in HYPOTHESIS_OUTCOMES if counts[outcome]]
    noun = form(len(findings), "hypothesis", "hypotheses")
    text = f"{len(findings)} {noun}: {', '.join(listed)}"
    confounded = sum(finding.confounded for finding in findings)
    if confounded:
        text += f"; {confounded} {form(confounded, 'rests', 'rest')} on confounded pairs"
    if expected := expected_false_alarms(findings):
        text += f". If no cell differed from any other, chance would decide {expected:.2g} of them"
    return f"{text}."


def hypothesis_card(finding: Finding, judgement: Judgement) -> HypothesisCard:
    # One plot for each metric and bound: they share no axis. Of an order either side may be larger.
    groups: dict[tuple[str, float | None, str], list[Evidence]] = {}
    runs = {}
    for evidence in finding.evidence:
        bound = evidence.step.bound
        sign = "" if bound is None else evidence.step.sign
        groups.setdefault((evidence.metric, bound, sign), []).append(evidence)
        for cell in (evidence.left, evidence.right):
            runs[cell.name] = cell.run_id
    plots = []
    for (metric, bound, sign), items in groups.items():
        plots.append(_plot(metric, bound, sign, items, judgement))
    claim = " ".join(finding.claim.split())
    return HypothesisCard(
        claim, finding.outcome, _sentence(finding), tuple(plots), tuple(runs.items())
    )


def _sentence(finding: Finding) -> str:
    """What decided it, or keeps it open: the plot has the numbers of each pair."""
    counts = Counter(evidence.outcome for evidence in finding.evidence)
    pairs = len(finding.evidence)
    parts = []
    if pairs:
        words = {"supported": "for it", "rejected": "against it", "undecided": "open"}
        subject = "The only comparison is"
        if pairs > 1:
            number = counts[finding.outcome]
            subject = f"{number} of {pairs} comparisons {is_or_are(number)}"
        parts.append(f"{subject} {words[finding.outcome]}")
    if finding.outcome == "undecided" and pairs:
        contrary = sum(evidence.agrees is False for evidence in finding.evidence)
        if contrary:
            parts.append(f"The scores alone speak against it in {contrary} of {pairs}")
        elif all(evidence.agrees for evidence in finding.evidence) and not finding.missing:
            parts.append("The scores alone agree with it, but chance may do that")
    if finding.missing:
        parts.append(f"No cell is trained for {' or for '.join(finding.missing)}")
    caution = undertrained(finding.evidence)
    if caution:
        parts.append(caution)
    return ". ".join(parts) + "."


def _plot(
    metric: str, bound: float | None, sign: str, items: Sequence[Evidence], judgement: Judgement
) -> EvidencePlot:
    values = [bound or 0.0]
    for evidence in items:
        if evidence.difference is not None:
            values += [evidence.difference, *(evidence.ends or ())]
    axis = axis_of(values)
    rows = tuple(_row(evidence, axis, judgement) for evidence in items)
    if bound is None:
        return EvidencePlot(label_of(metric), "right of 0", axis, None, rows)
    side = "below" if sign == "<" else "above"
    return EvidencePlot(label_of(metric), f"{side} {bound:g}", axis, axis.at(bound), rows)


def _row(evidence: Evidence, axis: Axis, judgement: Judgement) -> EvidenceRow:
    first, second = evidence.cells
    text, drawn = "nothing to measure", None
    if evidence.difference is not None:
        text = signed(evidence.difference)
        if evidence.ends is not None:
            text = with_interval(evidence.difference, evidence.ends)
        drawn = axis.mark(evidence.difference, evidence.ends)
    p = ""
    if evidence.verdict is not None:
        p = f"{chance(evidence.verdict.p)}{corrected(evidence.verdict.comparisons)}"
    lines = [f"{label_of(evidence.metric)}: {first.name} less {second.name}", text, p]
    lines.append(": ".join(filter(None, (evidence.outcome, evidence.reason))))
    if evidence.confounders:
        lines.append(f"confounded by {', '.join(evidence.confounders)}")
    runs = [f"{cell.name}: run {cell.run_id or 'not tracked'}" for cell in evidence.cells]
    lines.append("; ".join(runs))
    # The parts that the two short names share.
    parts = judgement.short(second.name).split(SEPARATOR)
    rest = [part for part in judgement.short(first.name).split(SEPARATOR) if part in parts]
    title = "\n".join(filter(None, lines))
    return EvidenceRow(evidence, SEPARATOR.join(rest), text, p, title, drawn)
