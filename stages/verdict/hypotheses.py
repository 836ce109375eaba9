"""Hypotheses of params.yaml, judged: supported, rejected or undecided, with the pairs of cells that say so."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from stages.verdict import wording
from stages.verdict.expressions import FACTORS, Level, Step
from stages.verdict.statements import LOWER_IS_BETTER, TRAIN_LOSS, Stated, check

if TYPE_CHECKING:
    from stages.report.results import CellResult
    from stages.verdict.fairness import Fairness

Outcome = Literal["supported", "rejected", "undecided"]


@dataclass(frozen=True)
class Trained:
    """A cell with results. row: FACTORS -> level; values: metric ("val/bbox_mAP_50", "train/loss") -> value in its own
    units or None; repeats: trainings of this row that `values` and the verdicts rest on."""

    name: str
    row: Mapping[str, Level]
    values: Mapping[str, float | None]
    run_id: str = ""
    repeats: int = 1

    @classmethod
    def of(cls, cell: CellResult, repeats: int = 1) -> Trained:
        """From the four result files that stages.report.results.load_cell has read."""
        scores = {f"{split}/{metric}": value for split, known in cell.scores.items() for metric, value in known.items()}
        return cls(cell.name, cell.row, {**scores, TRAIN_LOSS: cell.train_loss}, cell.run_id, repeats)


@dataclass(frozen=True)
class Verdict:
    """What the bootstrap says of cell a against cell b in one metric: difference = a - b in the metric's units, its
    95 % interval [low, high], and the corrected two-sided p. "better" is a lower train/loss and a higher mAP."""

    outcome: Literal["better", "worse", "not distinguishable"]
    difference: float
    low: float
    high: float
    p: float


# (cell a, cell b, metric) -> Verdict, or None where there is none. Swapping a and b must swap the verdict.
VerdictOf = Callable[[str, str, str], Verdict | None]
# (cell a, cell b, factor) -> what the two differ in beside the factor.
FairnessOf = Callable[[str, str, str], "Fairness | None"]


@dataclass(frozen=True)
class Evidence:
    """One pair of cells under one step and metric. Values are in the metric's units, None where there is nothing to
    measure; `agrees` says whether the two values alone obey the step; `verdict` is of left against right; `fairness` is
    the pair's stages.verdict.fairness.Fairness over the step's factor, None where it was not asked for."""

    step: Step
    metric: str
    left: Trained
    right: Trained
    agrees: bool | None
    verdict: Verdict | None
    outcome: Outcome
    why: str
    fairness: Fairness | None

    @property
    def confounders(self) -> tuple[str, ...]:
        """The topics in which the pair differs beside the step's factor: ("batch size", "seed")."""
        return self.fairness.topics if self.fairness else ()

    @property
    def values(self) -> tuple[float | None, float | None]:
        return number(self.left, self.metric), number(self.right, self.metric)


@dataclass(frozen=True)
class Finding:
    """A judged hypothesis. `missing` are the rows, as text, that no trained cell fills; `points` says whether the plain
    numbers obey the whole claim (None: not all are there), which decides nothing."""

    claim: str
    outcome: Outcome
    evidence: tuple[Evidence, ...]
    missing: tuple[str, ...]
    points: bool | None
    sentence: str

    @property
    def cells(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.name for one in self.evidence for cell in (one.left, one.right)))

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.run_id for one in self.evidence for cell in (one.left, one.right)))

    @property
    def confounded(self) -> bool:
        return any(one.confounders for one in self.evidence)


def judge(stated: Sequence[Stated], cells: Iterable[Trained], levels: Mapping[str, Collection[Level]],
          verdict: VerdictOf | None = None, fairness: FairnessOf | None = None,
          thin: Mapping[str, int] | None = None) -> list[Finding]:
    """Every hypothesis against the trained cells, in the order of params.yaml.

    Each step is put to all pairs of cells that differ in its factor only and agree with `where`. A claim is rejected
    where one pair's verdict is contrary, supported where there is a pair for every step and all verdicts agree, else
    undecided. thin: metric -> its number of boxes, where that is too small to decide. Raises StudyError as
    stages.verdict.statements.check does.
    """
    cells = list(cells)
    findings = []
    for one, parts in zip(stated, check(stated, levels), strict=True):
        evidence, missing = [], []
        for metric, step in parts:
            pairs, absent = _pairs(step, one.where, cells)
            missing += absent
            evidence += [_weigh(step, metric, *pair, verdict, fairness, thin or {}) for pair in pairs]
        outcomes = {item.outcome for item in evidence} | ({"undecided"} if missing else set())
        outcome = next(name for name in ("rejected", "undecided", "supported") if name in outcomes)
        agreed = [item.agrees for item in evidence] + [None] * bool(missing)
        points = False if False in agreed else None if None in agreed else True
        missing = tuple(dict.fromkeys(missing))
        findings.append(Finding(one.claim, outcome, tuple(evidence), missing, points,
                                wording.sentence(one.claim, outcome, evidence, missing)))
    return findings


def number(cell: Trained, metric: str) -> float | None:
    """The cell's value, None where there is none or it is not finite."""
    value = cell.values.get(metric)
    return value if value is not None and math.isfinite(value) else None


def _pairs(step: Step, where: Mapping[str, Level], cells: list[Trained]) -> tuple[list[tuple[Trained, Trained]], list]:
    """The (left, right) cells of a step, and the rows that are missing where there is no such pair."""
    fitting = [cell for cell in cells if all(cell.row[factor] == level for factor, level in where.items())]
    others = [factor for factor in FACTORS if factor != step.factor]

    def by_rest(level: Level) -> dict[tuple, list[Trained]]:
        found: dict[tuple, list[Trained]] = {}
        for cell in fitting:
            if cell.row[step.factor] == level:
                found.setdefault(tuple(cell.row[factor] for factor in others), []).append(cell)
        return found

    left, right = by_rest(step.left), by_rest(step.right)
    pairs = [(a, b) for rest in left if rest in right for a in left[rest] for b in right[rest]]
    if pairs:
        return pairs, []
    # The nearest rows to a pair are the partners of the cells that there are.
    absent = [wording.row({step.factor: step.right, **dict(zip(others, rest, strict=True))}) for rest in left]
    absent += [wording.row({step.factor: step.left, **dict(zip(others, rest, strict=True))}) for rest in right]
    return [], absent or [wording.row({step.factor: level, **where}) for level in (step.left, step.right)]


def _weigh(step: Step, metric: str, left: Trained, right: Trained, verdict: VerdictOf | None,
           fairness: FairnessOf | None, thin: Mapping[str, int]) -> Evidence:
    one, other = number(left, metric), number(right, metric)
    agrees = None if one is None or other is None else _obeys(step, one - other)
    found = verdict(left.name, right.name, metric) if verdict else None
    outcome: Outcome = "undecided"
    if agrees is None:
        why = "there is nothing to measure"
    elif metric == TRAIN_LOSS and min(left.repeats, right.repeats) < 2:
        # A loss has no images to resample: only other seeds show how much of a difference is chance.
        why, found = "one training each shows no chance variation of a loss", None
    elif found is None:
        why = "no verdict was computed"
    elif metric in thin:
        why = f"{thin[metric]} boxes are too few to decide"
    else:
        outcome, why = _decide(step, metric, found)
    fair = fairness(left.name, right.name, step.factor) if fairness else None
    return Evidence(step, metric, left, right, agrees, found, outcome, why, fair)


def _obeys(step: Step, difference: float) -> bool:
    bound = step.bound or 0.0
    return difference < bound if step.sign == "<" else difference > bound


def _decide(step: Step, metric: str, found: Verdict) -> tuple[Outcome, str]:
    if step.bound is None:
        above, below = ("worse", "better") if metric in LOWER_IS_BETTER else ("better", "worse")
        expected, contrary = (above, below) if step.sign == ">" else (below, above)
        if found.outcome == expected:
            return "supported", ""
        return ("rejected", "") if found.outcome == contrary else ("undecided", "the two cannot be distinguished")
    # A bound other than zero has no verdict of its own: the whole interval must lie on one side of it.
    ends = (found.low, found.high) if step.sign == ">" else (-found.high, -found.low)
    bound = step.bound if step.sign == ">" else -step.bound
    if ends[0] > bound:
        return "supported", ""
    return ("rejected", "") if ends[1] <= bound else ("undecided", f"the interval holds the bound {step.bound:g}")
