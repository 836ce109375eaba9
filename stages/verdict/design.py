"""The design of a study, before anything is trained: which rows repeat a cell, in what two are declared
to differ, its hypotheses, the pairs of rows that each is put to, and what the rows cannot judge. The
language of the comparisons is that of expressions.py."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from stages.study import group_metrics, params
from stages.study.metrics import METRICS
from stages.study.params import Cell, Study
from stages.study.schema import (
    DEFAULT_METRIC,
    FACTORS,
    LARGEST_IMAGE,
    SMALLEST_IMAGE,
    Hypothesis,
)
from stages.study.strict import StudyError
from stages.verdict import wording
from stages.verdict.expressions import (
    COMPARABLE,
    TRAIN_SHARE,
    Level,
    Levels,
    Step,
    is_share,
    parse_expression,
)

TRAIN_LOSS = "train/loss"
# What `metric: every` stands for: "every mAP" of the study.
EVERY = tuple(f"val/{metric}" for metric in METRICS)
KNOWN_METRICS = (*EVERY, *(f"test/{metric}" for metric in METRICS), TRAIN_LOSS)
# What a row may set for itself beside the factors -> run.json's key of it.
OVERRIDES = {
    "epochs": "epochs",
    "batch_size": "batch_size",
    "lr": "lr_per_sample",
    "device_batch": "device_batch",
    "train_share": "train_share",
    "activation_checkpointing": "config.model.backbone.with_cp",
}
# What repeats of a cell may differ in, as keys of run.json.
REPEATED = ("seed", "fold")


def group_repeats(study: Study, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The rows `names`, in their order: each cell's first row -> all of its rows, itself first.
    First is one on the study's own fold, if there is one: what is shown of a cell is shown on
    that."""
    repeats: dict[Cell, list[str]] = {}
    for name in sorted(names, key=lambda name: study.fold_of(study.cell(name)) is not None):
        cell = dataclasses.replace(study.cell(name), seed=None, fold=None)
        repeats.setdefault(cell, []).append(name)
    return {rows[0]: tuple(rows) for rows in repeats.values()}


def declared(first: Cell, second: Cell) -> tuple[str, ...]:
    """The factors in which two rows are declared to differ, as keys of run.json. Where there is
    none, what the rows set for themselves is what the two are about; beside a factor it is not."""
    factors = [key for key in FACTORS if getattr(first, key) != getattr(second, key)]
    if not factors:
        for key, recorded in OVERRIDES.items():
            if getattr(first, key) != getattr(second, key):
                factors.append(recorded)
    return tuple(factors)


def check_hypotheses(stated: Sequence[Hypothesis], levels: Levels) -> list[list[tuple[str, Step]]]:
    """Per hypothesis the (metric, step) pairs that must hold. levels: factor -> every level that a
    row may have.

    Raises StudyError: one line that begins with the key, such as hypotheses[3].holds.
    """
    return [_read(item, f"hypotheses[{index}]", levels) for index, item in enumerate(stated)]


def _read(hypothesis: Hypothesis, key: str, levels: Levels) -> list[tuple[str, Step]]:
    if not hypothesis.claim.strip():
        raise StudyError(f"{key}.claim: empty; write the sentence that is to be judged")
    parts = []
    for metric, text, key_of_text in _texts(hypothesis, key):
        for step in parse_expression(text, key_of_text, levels):
            parts.append((metric, step))
    for factor, level in hypothesis.where.items():
        fault = _fault_of_condition(factor, level, levels, {step.factor for _, step in parts})
        if fault:
            raise StudyError(f"{key}.where.{factor}: {fault}")
    for metric, step in parts:
        # An average precision lies in [0, 1], so that a bound of 2 means points of a hundred.
        if step.bound is not None and metric != TRAIN_LOSS and not -1 < step.bound < 1:
            raise StudyError(
                f"{key}.holds: {step.bound:g} is no difference of {metric}, which lies from 0 to 1; "
                "two points of a hundred are 0.02"
            )
        if metric == TRAIN_LOSS and step.factor == "detector":
            raise StudyError(
                f"{key}.holds: {step.left} and {step.right}: detectors sum different terms to "
                f"{TRAIN_LOSS}; compare it within one detector"
            )
    return parts


def _texts(hypothesis: Hypothesis, key: str) -> list[tuple[str, str, str]]:
    """Each metric with the expression that is to hold for it, and the key under which that stands."""
    holds, names = hypothesis.holds, hypothesis.metric
    if isinstance(holds, dict):
        if names != DEFAULT_METRIC:
            raise StudyError(f"{key}.metric: holds names its metrics itself; remove one of the two")
        if not holds:
            raise StudyError(f"{key}.holds: empty; write an expression, or metric: expression")
        texts = []
        for name, text in holds.items():
            texts.append((_metric(name, f"{key}.holds"), text, f"{key}.holds.{name}"))
        return texts
    if names == "every":
        names = list(EVERY)
    if isinstance(names, str):
        names = [names]
    if not names:
        raise StudyError(f"{key}.metric: empty; name a metric, or write every")
    return [(_metric(name, f"{key}.metric"), holds, f"{key}.holds") for name in names]


def _metric(name: str, key: str) -> str:
    if name not in KNOWN_METRICS and group_metrics.parse_group_metric(name) is None:
        every = ", or every" if key.endswith("metric") else ""
        raise StudyError(
            f"{key}: {name!r} is no metric; there are: {', '.join(KNOWN_METRICS)}, "
            f"{group_metrics.FORMS}{every}"
        )
    return name


def _fault_of_condition(factor: str, level: Level, levels: Levels, compared: set[str]) -> str:
    """What is wrong with an entry of `where`, "" where nothing is. compared: factors of holds."""
    if factor not in COMPARABLE:
        return f"no such factor; there are: {', '.join(COMPARABLE)}"
    if factor in compared:
        return "holds compares this factor, so it cannot be fixed; remove it"
    if factor == TRAIN_SHARE:
        return "" if is_share(level) else f"{level!r} is no share above 0 and up to 1.0"
    if factor == "image_size":
        if type(level) is int and SMALLEST_IMAGE <= level <= LARGEST_IMAGE:
            return ""
        return f"{level!r} is no whole number from {SMALLEST_IMAGE} to {LARGEST_IMAGE}"
    if level in levels.get(factor, ()):
        return ""
    return f"{level!r} is unknown; there are: {', '.join(map(str, levels.get(factor, ())))}"


@dataclass(frozen=True)
class Trained:
    """A cell with results, as hypotheses see it. row: COMPARABLE -> level, all images where it has
    no train_share; values: metric ("val/bbox_mAP_50", "train/loss") -> value in its own units or
    None; repeats: trainings of this row that `values` and the verdicts rest on; parameters: of the
    model, None where that is not known."""

    name: str
    row: Mapping[str, Level]
    values: Mapping[str, float | None]
    run_id: str = ""
    repeats: int = 1
    parameters: int | None = None

    def level(self, factor: str) -> Level:
        return self.row.get(TRAIN_SHARE, 1.0) if factor == TRAIN_SHARE else self.row[factor]

    def value(self, metric: str) -> float | None:
        """None where there is none or it is not finite."""
        value = self.values.get(metric)
        return value if value is not None and math.isfinite(value) else None


def pairs_of(
    step: Step, conditions: Mapping[str, Level], cells: Sequence[Trained]
) -> tuple[list[tuple[Trained, Trained]], list[str]]:
    """The (left, right) cells that differ in the step's factor alone and meet the conditions, and
    the rows that are missing, as text, where there is no such pair."""
    fixed = [factor for factor in COMPARABLE if factor != step.factor]
    first, second = defaultdict(list), defaultdict(list)
    for cell in cells:
        if all(cell.level(factor) == level for factor, level in conditions.items()):
            rest = tuple(map(cell.level, fixed))
            if cell.level(step.factor) == step.left:
                first[rest].append(cell)
            elif cell.level(step.factor) == step.right:
                second[rest].append(cell)
    pairs = []
    for rest, partners in first.items():
        for cell in partners:
            for partner in second.get(rest, ()):
                pairs.append((cell, partner))
    if pairs:
        return pairs, []
    # The nearest rows to a pair are the partners of the cells that there are.
    absent = []
    for level, present in ((step.right, first), (step.left, second)):
        for rest in present:
            absent.append(wording.row({step.factor: level, **dict(zip(fixed, rest, strict=True))}))
    if not absent:
        for level in (step.left, step.right):
            absent.append(wording.row({step.factor: level, **conditions}))
    return [], absent


def design_warnings(study: Study) -> list[str]:
    """One line each: hypotheses without a pair of rows, then factors that never vary alone."""
    rows = {}
    for name in group_repeats(study, study.selected()):
        cell = study.cell(name)
        rows[name] = {factor: getattr(cell, factor) for factor in FACTORS}
        rows[name][TRAIN_SHARE] = cell.train_share or 1.0
    return [*_without_pair(study, rows), *_tied(rows)]


def _without_pair(study: Study, rows: Mapping[str, Mapping[str, Level]]) -> list[str]:
    """Hypotheses of which a comparison has no two rows that differ in its factor alone."""
    untrained = [Trained(name, row, {}) for name, row in rows.items()]
    lines = []
    steps_of_all = check_hypotheses(study.hypotheses, params.levels(study))
    for number, (hypothesis, steps) in enumerate(zip(study.hypotheses, steps_of_all, strict=True)):
        trouble = "cannot be judged"
        absent: dict[str, None] = {}
        for _, step in steps:
            pairs, rows_without = pairs_of(step, hypothesis.where, untrained)
            if pairs:
                trouble = "cannot be supported, because a part of it has no pair"
            absent |= dict.fromkeys(rows_without)
        if absent:
            lines.append(
                f"hypotheses[{number}]: {' '.join(hypothesis.claim.split())!r} {trouble}: no two "
                "selected rows differ in its factor alone; there is no "
                f"{' or '.join(list(absent)[: wording.MOST_LISTED])}"
            )
    return lines


def _tied(rows: Mapping[str, Mapping[str, Level]]) -> list[str]:
    """Factors of which two levels never meet in a level of another factor: one line for each two
    factors, with the first such levels."""
    lines = []
    for factor, partner in combinations(FACTORS, 2):
        # Level of factor -> the levels of partner in the rows that have it.
        met: dict[Level, set[Level]] = {}
        for row in rows.values():
            met.setdefault(row[factor], set()).add(row[partner])
        for first, second in combinations(met, 2):
            if met[first].isdisjoint(met[second]):
                lines.append(
                    f"{factor} is confounded with {partner}: {first} is trained with "
                    f"{_joined(met[first])} alone, {second} with {_joined(met[second])}; a "
                    "difference between the two can be put down to neither. A row that changes "
                    "one of them alone would tell"
                )
                break
    return lines


def _joined(levels: set[Level]) -> str:
    return " and ".join(sorted(map(str, levels)))
