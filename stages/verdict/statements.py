"""What params.yaml states as hypotheses, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from stages.study import group_metrics
from stages.study.metrics import METRICS
from stages.study.schema import Hypothesis
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


def check(
    stated: Sequence[Hypothesis], levels: Mapping[str, Collection[Level]]
) -> list[list[tuple[str, Step]]]:
    """Per hypothesis the (metric, step) pairs that must hold. levels: factor -> every level that a
    row may have.

    Raises StudyError: one line that begins with the key, such as hypotheses[3].holds.
    """
    parts = []
    for number, hypothesis in enumerate(stated):
        parts.append(_read(hypothesis, f"hypotheses[{number}]", levels))
    return parts


def _read(
    hypothesis: Hypothesis, key: str, levels: Mapping[str, Collection[Level]]
) -> list[tuple[str, Step]]:
    if not hypothesis.claim.strip():
        raise StudyError(f"{key}.claim: empty; write the sentence that is to be judged")
    parts = []
    for metric, text, key_of_text in _texts(hypothesis, key):
        for step in parse(text, key_of_text, levels):
            parts.append((metric, step))
    for factor, level in hypothesis.where.items():
        _check_where(factor, level, f"{key}.where", levels, {step.factor for _, step in parts})
    for metric, step in parts:
        # An average precision lies in [0, 1], so that a bound of 2 means points of a hundred.
        if step.bound is not None and metric != TRAIN_LOSS and not -1 < step.bound < 1:
            raise StudyError(
                f"{key}.holds: {step.bound:g} is no difference of {metric}, which lies from 0 to 1; "
                "two points of a hundred are 0.02"
            )
        if metric == TRAIN_LOSS and step.factor == "detector":
            raise StudyError(
                f"{key}.holds: {step.text}: detectors sum different terms to {TRAIN_LOSS}; compare "
                "it within one detector"
            )
    return parts


def _texts(hypothesis: Hypothesis, key: str) -> list[tuple[str, str, str]]:
    """Each metric with the expression that is to hold for it, and the key under which that stands."""
    if isinstance(hypothesis.holds, dict):
        if hypothesis.metric != DEFAULT_METRIC:
            raise StudyError(f"{key}.metric: holds names its metrics itself; remove one of the two")
        if not hypothesis.holds:
            raise StudyError(f"{key}.holds: empty; write an expression, or metric: expression")
        texts = []
        for name, text in hypothesis.holds.items():
            texts.append((_metric(name, f"{key}.holds"), text, f"{key}.holds.{name}"))
        return texts
    names: Sequence[str] = EVERY
    if hypothesis.metric != "every":
        names = hypothesis.metric
        if isinstance(names, str):
            names = [names]
    if not names:
        raise StudyError(f"{key}.metric: empty; name a metric, or write every")
    return [(_metric(name, f"{key}.metric"), hypothesis.holds, f"{key}.holds") for name in names]


def _metric(name: str, key: str) -> str:
    if name not in KNOWN_METRICS and group_metrics.read(name) is None:
        every = ", or every" if key.endswith("metric") else ""
        raise StudyError(
            f"{key}: {name!r} is no metric; there are: {', '.join(KNOWN_METRICS)}, "
            f"{group_metrics.FORMS}{every}"
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
                f"{key}.{factor}: {level!r} is no whole number from {IMAGE_SIZES[0]} to "
                f"{IMAGE_SIZES[1]}"
            )
    elif level not in levels.get(factor, ()):
        raise StudyError(
            f"{key}.{factor}: {level!r} is unknown; there are: "
            f"{', '.join(map(str, levels.get(factor, ())))}"
        )
