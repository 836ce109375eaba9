"""What params.yaml states as hypotheses, checked before anything is trained: metrics, factors and
expressions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from stages.study import group_metrics
from stages.study.metrics import METRICS
from stages.study.strict import StudyError
from stages.verdict.expressions import (
    COMPARABLE,
    IMAGE_SIZES,
    TRAIN_SHARE,
    Level,
    Step,
    is_share,
    parse,
)

DEFAULT_METRIC = "val/bbox_mAP_50"
TRAIN_LOSS = "train/loss"
# What `metric: every` stands for: "every mAP" of the study.
EVERY = tuple(f"val/{metric}" for metric in METRICS)
KNOWN_METRICS = (*EVERY, *(f"test/{metric}" for metric in METRICS), TRAIN_LOSS)
LOWER_IS_BETTER = frozenset({TRAIN_LOSS})


class Stated(Protocol):
    """A row of `hypotheses` in params.yaml (stages.study.params.Hypothesis).

    holds: an expression (stages/verdict/expressions.py), or metric -> expression. where: factor ->
    its one level. metric: one metric, several, or "every"; of no use where holds names its metrics.
    """

    claim: str
    holds: str | dict[str, str]
    where: dict[str, str | int | float]
    metric: str | list[str]


def check(
    stated: Sequence[Stated], levels: Mapping[str, Collection[Level]]
) -> list[list[tuple[str, Step]]]:
    """Per hypothesis the (metric, step) pairs that must hold. levels: factor -> every level that a
    row may have.

    Raises StudyError: one line that begins with the key, such as hypotheses[3].holds.
    """
    return [_read(one, f"hypotheses[{i}]", levels) for i, one in enumerate(stated)]


def _read(one: Stated, key: str, levels: Mapping[str, Collection[Level]]) -> list[tuple[str, Step]]:
    if not one.claim.strip():
        raise StudyError(f"{key}.claim: empty; write the sentence that is to be judged")
    if isinstance(one.holds, dict):
        if one.metric != DEFAULT_METRIC:
            raise StudyError(f"{key}.metric: holds names its metrics itself; remove one of the two")
        if not one.holds:
            raise StudyError(f"{key}.holds: empty; write an expression, or metric: expression")
        texts = [
            (_metric(name, f"{key}.holds"), text, f"{key}.holds.{name}")
            for name, text in one.holds.items()
        ]
    else:
        names = (
            EVERY
            if one.metric == "every"
            else [one.metric]
            if isinstance(one.metric, str)
            else one.metric
        )
        if not names:
            raise StudyError(f"{key}.metric: empty; name a metric, or write every")
        texts = [(_metric(name, f"{key}.metric"), one.holds, f"{key}.holds") for name in names]
    parts = [(metric, step) for metric, text, where in texts for step in parse(text, where, levels)]
    for factor, level in one.where.items():
        _check_where(factor, level, f"{key}.where", levels, {step.factor for _, step in parts})
    for metric, step in parts:
        # An average precision lies in [0, 1], so that a bound of 2 means points of a hundred.
        if step.bound is not None and metric != TRAIN_LOSS and not -1 < step.bound < 1:
            raise StudyError(
                f"{key}.holds: {step.bound:g} is no difference of {metric}, which lies from 0 to 1; two "
                "points of a hundred are 0.02"
            )
        if metric == TRAIN_LOSS and step.factor == "detector":
            raise StudyError(
                f"{key}.holds: {step.text}: detectors sum different terms to {TRAIN_LOSS}; compare it "
                "within one detector"
            )
    return parts


def _metric(name: str, key: str) -> str:
    if name not in KNOWN_METRICS and group_metrics.read(name) is None:
        raise StudyError(
            f"{key}: {name!r} is no metric; there are: {', '.join(KNOWN_METRICS)}, {group_metrics.FORMS}"
            f"{', or every' * key.endswith('metric')}"
        )
    return name


def _check_where(
    factor: str, level: Level, key: str, levels: Mapping[str, Collection[Level]], compared: set[str]
) -> None:
    if factor not in COMPARABLE:
        raise StudyError(f"{key}.{factor}: no such factor; there are: {', '.join(COMPARABLE)}")
    if factor in compared:
        raise StudyError(
            f"{key}.{factor}: holds compares this factor, so it cannot be fixed; remove it"
        )
    if factor == TRAIN_SHARE:
        if not is_share(level):
            raise StudyError(f"{key}.{factor}: {level!r} is no share above 0 and up to 1.0")
    elif factor == "image_size":
        if type(level) is not int or not IMAGE_SIZES[0] <= level <= IMAGE_SIZES[1]:
            raise StudyError(
                f"{key}.{factor}: {level!r} is no whole number from {IMAGE_SIZES[0]} to {IMAGE_SIZES[1]}"
            )
    elif level not in levels.get(factor, ()):
        raise StudyError(
            f"{key}.{factor}: {level!r} is unknown; there are: "
            f"{', '.join(map(str, levels.get(factor, ())))}"
        )
