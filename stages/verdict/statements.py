"""What params.yaml states as hypotheses, checked before anything is trained; the language of their
comparisons is that of expressions.py."""

from __future__ import annotations

from collections.abc import Sequence

from stages.study import group_metrics
from stages.study.metrics import METRICS
from stages.study.schema import Hypothesis
from stages.study.strict import StudyError
from stages.verdict.expressions import (
    COMPARABLE,
    LARGEST,
    SMALLEST,
    TRAIN_SHARE,
    Level,
    Levels,
    Step,
    is_share,
    parse_expression,
)

DEFAULT_METRIC = "val/bbox_mAP_50"
TRAIN_LOSS = "train/loss"
# What `metric: every` stands for: "every mAP" of the study.
EVERY = tuple(f"val/{metric}" for metric in METRICS)
KNOWN_METRICS = (*EVERY, *(f"test/{metric}" for metric in METRICS), TRAIN_LOSS)


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
        if type(level) is int and SMALLEST <= level <= LARGEST:
            return ""
        return f"{level!r} is no whole number from {SMALLEST} to {LARGEST}"
    if level in levels.get(factor, ()):
        return ""
    return f"{level!r} is unknown; there are: {', '.join(map(str, levels.get(factor, ())))}"
