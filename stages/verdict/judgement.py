"""What compare concludes of a study: one object that report, summary and MLflow read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stages.study.names import renamed
from stages.verdict.best import Standing
from stages.verdict.choice import Choice
from stages.verdict.costs import Candidate, Front
from stages.verdict.estimates import Estimate
from stages.verdict.fairness import Fairness
from stages.verdict.hypotheses import Finding
from stages.verdict.learning_curve import ShareCurve
from stages.verdict.pairs import Pair


@dataclass(frozen=True)
class Group:
    """A class or a size of boxes of one cell and split. kind: "class" or "size"; AP, AP50: None
    without such a box."""

    kind: str
    name: str
    boxes: int
    AP: Estimate | None
    AP50: Estimate | None


def good_cells(standings: Mapping[str, Standing]) -> tuple[str, ...]:
    return tuple(name for name, standing in standings.items() if standing.word != "worse")


@dataclass(frozen=True)
class Judgement:
    """Verdicts over the cells with results. A cell's name stands for all of its repeats.

    metric: what decides, such as val/bbox_mAP_50; repeats: cell -> the rows of params.yaml that
    repeat it with another seed, itself first; holes: selected rows without results -> why, one line
    each.
    estimates: cell -> metric ("val/bbox_mAP", ..., "test/bbox_mAP_l") -> its Estimate, None where
    nothing is measured; groups: cell -> split -> its classes and sizes; pairs: metric -> every pair
    of cells, Holm-corrected within it. fairness: (cell, cell), in both orders -> the two compared
    over the factors in which they are declared to differ. suspects: split ->
    stages.analysis.suspects.combine() over the good cells: those that no interval shows to be worse
    than the best.
    holds: whether the choice may be acted on; why: what it rests on or what is in its way, in
    sentences; obstructed: whether something speaks against the choice, beside that it may not be
    shown.
    margin: the loss that is accepted for a lower cost, in the metric's units; standings: cell ->
    where it stands among all in the metric; absent where it could not be compared.
    shares: what more training images are expected to give, of rows that differ in train_share
    alone.
    candidates: cell -> its score in the metric and its costs, what front and choice rest on.
    names: row of params.yaml -> its short name (stages/study/names.py); unlabelled: split ->
    stages.analysis.suspects.unlabelled_by_all() over the same cells as suspects.
    """

    metric: str
    repeats: Mapping[str, tuple[str, ...]]
    holes: Mapping[str, str]
    estimates: Mapping[str, Mapping[str, Estimate | None]]
    groups: Mapping[str, Mapping[str, tuple[Group, ...]]]
    pairs: Mapping[str, tuple[Pair, ...]]
    fairness: Mapping[tuple[str, str], Fairness]
    findings: tuple[Finding, ...]
    front: Front
    choice: Choice
    suspects: Mapping[str, list[dict[str, Any]]]
    holds: bool
    why: str
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    margin: float = 0.0
    standings: Mapping[str, Standing] = field(default_factory=dict)
    shares: tuple[ShareCurve, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    unlabelled: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    obstructed: bool = False

    @property
    def test_metric(self) -> str:
        """The metric that decides, on test."""
        return f"test/{self.metric.partition('/')[2]}"

    @property
    def good(self) -> tuple[str, ...]:
        """The cells that no interval shows to be worse than the best, or the best alone."""
        best = () if self.choice.best is None else (self.choice.best,)
        return good_cells(self.standings) or best

    def short(self, row: str) -> str:
        """What sets a row of params.yaml apart from the others; its own name where nothing does."""
        return self.names.get(row, row)

    def named(self, text: str) -> str:
        """A sentence with the short names of the cells in it."""
        return renamed(text, self.names)

    @property
    def possible_best(self) -> tuple[str, ...]:
        """The cells that cannot be ruled out as the best, the most probable first."""
        names = [name for name, standing in self.standings.items() if standing.possible_best]
        return tuple(sorted(names, key=lambda name: -self.standings[name].p_best))

    @property
    def learning_curve(self) -> ShareCurve | None:
        """Of `shares` the one that the chosen cell is on, else the first."""
        for share in self.shares:
            if self.choice.chosen in share.cells:
                return share
        return next(iter(self.shares), None)

    def pair(self, first: str | None, second: str | None, metric: str = "") -> Pair | None:
        """The verdict on `first` against `second`, in `metric` or the one that decides; None where
        the two were not compared."""
        for pair in self.pairs.get(metric or self.metric, ()):
            if (pair.first, pair.second) == (first, second):
                return pair
            if (pair.second, pair.first) == (first, second):
                return pair.swapped()
        return None
