"""What cannot be judged after training is said before it: no pair, confounded by construction, too few boxes."""

from __future__ import annotations

import dataclasses

import pytest
from made_matrix import R50, R101, X101, row, study_of

from stages.study import group_metrics, params
from stages.study.params import Hypothesis
from stages.verdict import design

R50_OF_101 = Hypothesis("deeper is better", "r50 < r101")
SPLIT = {
    "images": 200,
    "boxes": 900,
    "classes": {"Paper": 850, "Metal": 50},
    "sizes": {"small": 12, "medium": 800, "large": 88},
}


def test_the_shipped_study_can_be_judged():
    assert design.design_warnings(params.load_study()) == []


def test_a_hypothesis_without_a_pair_names_the_row_that_is_missing():
    cells = {R50: row("r50"), R101: row("r101"), "pafpn": row("r50", neck="pafpn")}
    stated = [
        R50_OF_101,
        Hypothesis("wider too", "r50 < r101 < x101"),
        Hypothesis("so too", "512 < 1024"),
        Hypothesis("not here", "r50 < r101", where={"neck": "pafpn"}),
    ]
    lines = [
        line
        for line in design.design_warnings(study_of(cells, stated))
        if line.startswith("hypotheses")
    ]
    assert [line.partition(":")[0] for line in lines] == [
        "hypotheses[1]",
        "hypotheses[2]",
        "hypotheses[3]",
    ]
    assert (
        "'wider too' cannot be supported, because a part of it has no pair" in lines[0]
        and "x101, fpn" in lines[0]
    )
    assert "'so too' cannot be judged: no two selected rows differ in its factor alone" in lines[1]
    assert "there is no faster_rcnn, r101, pafpn, sgd, 512" in lines[2]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (
            {"a": row("r50"), "b": row("swin_t", optimizer="adamw")},
            [
                "backbone is confounded with optimizer: r50 is trained with sgd alone, swin_t with adamw;"
            ],
        ),
        # The third row tells the two apart.
        (
            {
                "a": row("r50"),
                "b": row("swin_t", optimizer="adamw"),
                "c": row("r50", optimizer="adamw"),
            },
            [],
        ),
        # A repeat is no row of its own.
        (
            {
                "a": row("r50"),
                "b": row("r50", seed=1),
                "c": row("r50", image_size=1024, neck="pafpn"),
            },
            ["neck is confounded with image_size: fpn is trained with 512 alone, pafpn with 1024;"],
        ),
    ],
)
def test_factors_that_never_vary_alone_are_named_once(cells, expected):
    lines = design.design_warnings(study_of(cells))
    assert len(lines) == len(expected)
    for line, beginning in zip(lines, expected):
        assert line.startswith(beginning)


def test_the_selection_counts():
    cells = {"a": row("r50"), "b": row("r101"), "c": row("r50", neck="pafpn")}
    study = study_of(cells, [R50_OF_101])
    assert design.design_warnings(study) == []
    assert len(design.design_warnings(dataclasses.replace(study, neck="pafpn"))) == 1


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("val/bbox_mAP_50", None),
        ("val/AP[Paper]", None),
        ("val/AP50[medium]", None),
        ("val/bbox_mAP_s", "12 boxes of val"),
        ("val/AP50[Metal]", "50 boxes of val"),
        ("val/AP50[large]", "88 boxes of val"),
    ],
)
def test_too_few_boxes_for_a_metric_are_said_once_the_data_is_prepared(metric, expected):
    cells = {R50: row("r50"), R101: row("r101"), X101: row("x101")}
    for study in (
        study_of(cells, metric=metric),
        study_of(cells, [Hypothesis("a", "r50 < r101", metric=metric)]),
    ):
        lines = group_metrics.too_few(study, {"val": SPLIT})
        assert len(lines) == (expected is not None)
        if expected:
            assert f": {metric} rests on {expected}; under 100 decide nothing" in lines[0]


def test_too_few_images_are_said_of_the_metric_that_decides():
    study = study_of({R50: row("r50"), R101: row("r101")}, [R50_OF_101])
    assert group_metrics.too_few(study, {"val": {**SPLIT, "images": 48}}) == [
        "verdicts.metric: val/bbox_mAP_50 rests on 48 images of val; on under 50 few cells can be told apart"
    ]
    # A test split may be without labels.
    assert group_metrics.too_few(study, {"val": SPLIT, "test": {"images": 3, "boxes": 0}}) == []
