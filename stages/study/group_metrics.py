"""Metrics of one class or of one size of boxes, as params.yaml names them.

    val/AP50[Platelets]     a class: all between the first [ and the last ] is its name, as it is
    val/AP[small]           a size of COCO's: small, medium or large
    val/AP[class:small]     a class that is called small

AP, AP50 and AP75 are averaged over IoU .50:.95, at .50 and at .75. In YAML a name with ": ", " #"
or a quote in it, and any such metric inside of [..] or {..}, stands in quotes; a ' inside of
single quotes is written twice.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.study.metrics import METRICS, SIZES
from stages.study.schema import Hypothesis, Study
from stages.study.strict import StudyError

# Fewer boxes than this are "thin". Not in metrics.py, which decides a training's bits: a threshold
# of the verdicts trains nothing again.
MIN_BOXES = 100
LEVELS = ("AP", "AP50", "AP75")
FORMS = "val/AP50[CLASS], val/AP[small] (AP, AP50 or AP75; a class, or small, medium or large)"
# DOTALL: a class may be called anything.
_FORM = re.compile(rf"(val|test)/({'|'.join(LEVELS)})\[(.+)\]", re.DOTALL)
_CLASS = "class:"


@dataclass(frozen=True)
class GroupMetric:
    """level: of LEVELS; size: of SIZES, "" for a class; category: the class's name, "" for a
    size."""

    split: str
    level: str
    size: str = ""
    category: str = ""


def parse_group_metric(metric: str) -> GroupMetric | None:
    """None where `metric` is of no class and no size."""
    form = _FORM.fullmatch(metric)
    if not form:
        return None
    split, level, name = form.groups()
    if name in SIZES:
        return GroupMetric(split, level, size=name)
    return GroupMetric(split, level, category=name.removeprefix(_CLASS) or name)


def asked(study: Study) -> dict[str, str]:
    """Every metric that the study's verdicts and hypotheses name -> the key of params.yaml."""
    keys = {study.verdicts.metric: "verdicts.metric"}
    for number, hypothesis in enumerate(study.hypotheses):
        for metric, key in metrics_of(hypothesis, f"hypotheses[{number}]"):
            keys.setdefault(metric, key)
    return keys


def metrics_of(hypothesis: Hypothesis, key: str) -> Iterator[tuple[str, str]]:
    """The metrics that a hypothesis names, as written, each with its key below `key`."""
    if isinstance(hypothesis.holds, dict):
        for metric in hypothesis.holds:
            yield metric, f"{key}.holds"
    elif isinstance(hypothesis.metric, str):
        yield hypothesis.metric, f"{key}.metric"
    else:
        for metric in hypothesis.metric:
            yield metric, f"{key}.metric"


def check_classes(study: Study, classes: Sequence[str]) -> None:
    """Raises StudyError for a metric of a class that the data has not, with the nearest name."""
    for metric, key in asked(study).items():
        group = parse_group_metric(metric)
        if group and group.category and group.category not in classes:
            raise StudyError(f"{key}: {metric}: {_unknown(group.category, classes)}")


def _unknown(name: str, classes: Sequence[str]) -> str:
    lower = {category.lower(): category for category in classes}
    nearest = difflib.get_close_matches(name.lower(), lower, 1, cutoff=0.5)
    if nearest:
        return f"the data has no class {name!r}; the nearest is {lower[nearest[0]]!r}"
    names = ", ".join(classes[:12])
    if len(classes) > 12:
        names += f" and {len(classes) - 12} more"
    return f"the data has no class {name!r}; there are: {names}"


# On 48 images the bounds of the demo's cells were .1 and .2 of mAP50 wide: more than most cells
# differ by.
MIN_IMAGES = 50
_SIZES = dict(zip(METRICS[3:], SIZES))


def too_few(study: Study, splits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line for each metric of the study that rests on too little.

    splits: of data/prepared/report.json, split -> images, boxes, classes (class -> boxes) and
    sizes (size -> boxes).
    """
    lines = []
    for metric, key in asked(study).items():
        split = metric.partition("/")[0]
        if split not in splits or not splits[split].get("boxes"):
            continue
        boxes, images = _boxes(metric, splits[split]), splits[split]["images"]
        if boxes < MIN_BOXES:
            lines.append(
                f"{key}: {metric} rests on {boxes} boxes of {split}; under {MIN_BOXES} decide "
                "nothing, whatever is trained"
            )
        elif images < MIN_IMAGES and key == "verdicts.metric":
            lines.append(
                f"{key}: {metric} rests on {images} images of {split}; on under {MIN_IMAGES} few "
                "cells can be told apart"
            )
    return lines


def _boxes(metric: str, split: Mapping[str, Any]) -> int:
    group = parse_group_metric(metric)
    if group and group.category:
        return int(split["classes"].get(group.category, 0))
    size = _SIZES.get(metric.partition("/")[2])
    if group:
        size = group.size
    if not size:
        # Without crowds, which split["boxes"] counts.
        return int(sum(split["classes"].values()))
    return int(split["sizes"][size])
