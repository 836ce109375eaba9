"""Hypotheses as params.yaml states them: the study's six, and others of the same form."""

from __future__ import annotations

from dataclasses import dataclass, field

from stages.study.params import ROOT, known
from stages.study.schema import FACTORS
from stages.study.strict import validate

LEVELS = {factor: known(factor + "s", ROOT) for factor in FACTORS if factor != "image_size"}


@dataclass(frozen=True)
class Hypothesis:
    """As proposed for stages/study/params.py."""

    claim: str
    holds: str | dict[str, str]
    where: dict[str, str | int] = field(default_factory=dict)
    metric: str | list[str] = "val/bbox_mAP_50"


SIX = [
    {
        "claim": "More parameters raise mAP",
        "holds": "r50 < r101 < x101",
        "where": {"detector": "faster_rcnn"},
    },
    {
        "claim": "More parameters raise mAP of Cascade R-CNN too",
        "holds": "r50 < r101 < x101",
        "where": {"detector": "cascade_rcnn"},
    },
    {
        "claim": "A backbone that classifies better raises mAP",
        "holds": "{r50, r101, x101} < swin_t < swin_l",
        "where": {"detector": "faster_rcnn"},
    },
    {
        "claim": "1024 pixels instead of 512 raise mAP of small boxes",
        "holds": "512 < 1024",
        "where": {"detector": "faster_rcnn"},
        "metric": "val/bbox_mAP_s",
    },
    {
        "claim": "PAFPN instead of FPN raises mAP",
        "holds": "fpn < pafpn",
        "where": {"detector": "faster_rcnn"},
        "metric": "val/bbox_mAP",
    },
    {
        "claim": "SGD cannot leave its local minimum: AdamW gives a lower train loss and a higher mAP for Swin",
        "holds": {"train/loss": "sgd > adamw", "val/bbox_mAP": "sgd < adamw"},
        "where": {"detector": "faster_rcnn", "backbone": "swin_l"},
    },
]


def stated(*rows) -> list[Hypothesis]:
    return validate(list[Hypothesis], list(rows), "hypotheses")


def compared(finding) -> dict[str, str]:
    """Cell -> its run, of the cells that a finding rests on."""
    runs = {}
    for evidence in finding.evidence:
        for cell in (evidence.left, evidence.right):
            runs[cell.name] = cell.run_id
    return runs
