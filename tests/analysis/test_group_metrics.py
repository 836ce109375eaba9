"""Metrics of a class or a size: how they are written, what is refused before training, and what is judged of them."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from changed_params import assign, read
from made_matrix import R50, R101, X101, matrix, row, study_of

from stages import plan
from stages.comparison import outcomes
from stages.errors import InputError
from stages.study import group_metrics, paths
from stages.study.group_metrics import MIN_BOXES, GroupMetric
from stages.study.params import Hypothesis
from stages.study.strict import StudyError
from stages.verdict.matrix import conclude

PAPER = "val/AP50[Paper]"
CELLS = {R50: row("r50"), R101: row("r101"), X101: row("x101")}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (PAPER, GroupMetric("val", "AP50", category="Paper")),
        ("test/AP75[small]", GroupMetric("test", "AP75", size="small")),
        ("val/AP[class:small]", GroupMetric("val", "AP", category="small")),
        ("val/AP[class:class:x]", GroupMetric("val", "AP", category="class:x")),
        ('val/AP[a [b]: "c" / d]', GroupMetric("val", "AP", category='a [b]: "c" / d')),
        ("val/AP[]", None),
        ("val/AP60[Paper]", None),
        ("train/AP[Paper]", None),
        ("val/bbox_mAP", None),
    ],
)
def test_a_metric_of_a_class_or_a_size_is_read(metric, expected):
    assert group_metrics.parse_group_metric(metric) == expected


def test_params_take_them_and_name_the_forms_where_one_is_wrong(tmp_path):
    study = read(tmp_path, assign("verdicts/metric", 'val/AP[a: "b" #1]'))
    assert study.verdicts.metric == 'val/AP[a: "b" #1]'
    for metric in ("test/AP[Paper]", "val/AP60[Paper]"):
        with pytest.raises(
            StudyError, match=re.escape(f"verdicts.metric: {metric!r} cannot decide; choose one of")
        ):
            read(tmp_path, assign("verdicts/metric", metric))


def asking(claimed: str, **verdicts):
    return study_of(CELLS, [Hypothesis("a claim", "r50 < r101", metric=claimed)], **verdicts)


@pytest.mark.parametrize(
    ("study", "expected"),
    [
        (
            asking("val/AP[paper]"),
            "hypotheses[0].metric: val/AP[paper]: the data has no class 'paper'; the nearest is 'Paper'",
        ),
        (
            asking(PAPER, metric="val/AP[Mettal]"),
            "verdicts.metric: val/AP[Mettal]: the data has no class 'Mettal'; the nearest is 'Metal'",
        ),
        (
            asking("val/AP[Wood chips]"),
            "the data has no class 'Wood chips'; there are: Paper, Metal, Battery",
        ),
    ],
)
def test_plan_refuses_a_class_that_the_prepared_data_has_not(
    tmp_path, monkeypatch, study, expected
):
    monkeypatch.chdir(tmp_path)
    # Before the data is prepared nobody knows its classes.
    plan.check_prepared_classes(study)
    paths.PREPARED.mkdir(parents=True)
    report = {
        "source": "demo",
        "image_root": "data/prepared/images",
        "classes": ["Paper", "Metal", "Battery"],
    }
    (paths.PREPARED / "report.json").write_text(json.dumps(report))
    with pytest.raises(InputError, match=re.escape(expected)) as caught:
        plan.check_prepared_classes(study)
    assert (
        "python -m stages.prepare" in str(caught.value) and len(str(caught.value).splitlines()) == 1
    )
    # What is prepared is another set's.
    elsewhere = dataclasses.replace(study.data, source="coco", root="another")
    plan.check_prepared_classes(dataclasses.replace(study, data=elsewhere))


def test_hypotheses_and_the_choice_rest_on_a_class(tmp_path):
    study = asking(PAPER, metric=PAPER)
    cells = matrix(tmp_path, CELLS, {R50: 0.3, R101: 0.9, X101: 0.6})
    found = conclude(study, cells, root=tmp_path)
    # The same replicates as in the table of classes.
    group = next(group for group in found.groups[R101]["val"] if group.name == "Paper")
    assert found.estimates[R101][PAPER] == group.AP50 and group.boxes >= MIN_BOXES
    assert found.findings[0].outcome == "supported"
    assert (found.metric, found.choice.best) == (PAPER, R101) and set(found.standings) == set(CELLS)
    # The test split confirms in the same class.
    assert found.pair(R50, R101, "test/AP50[Paper]").outcome == "worse"
    assert all(re.fullmatch(r"[\w.\-/ ]+", name) for name in outcomes.comparison_metrics(found))


def test_a_thin_class_or_size_decides_nothing(tmp_path):
    cells = matrix(tmp_path, CELLS, {R50: 0.1, R101: 0.9, X101: 0.6})
    for metric in ("val/AP50[Battery]", "val/AP50[small]"):
        found = conclude(asking(metric), cells, root=tmp_path)
        assert found.findings[0].outcome == "undecided", metric
        assert {"there is nothing to measure"} == {
            one.reason for one in found.findings[0].evidence
        } or all(
            one.reason.endswith("boxes are too few to decide") for one in found.findings[0].evidence
        )
