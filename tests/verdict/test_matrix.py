"""What compare concludes, from generated detections: contrary data, repeats, holes, missing labels, faulty files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from made_matrix import (
    BOXES_EACH,
    IMAGES,
    R50,
    R101,
    X101,
    detections,
    load,
    matrix,
    row,
    study_of,
    write,
    write_cell,
    write_costs,
)

from stages.errors import InputError
from stages.scoring.tables import read_detections, read_truth
from stages.study import paths
from stages.study.params import Hypothesis
from stages.verdict import estimates, pairs
from stages.verdict.matches import match_detections
from stages.verdict.matrix import conclude
from stages.verdict.replicates import STUDY_STATISTICS, draw_weights, evaluate_replicates

TWO = {R50: row("r50"), R101: row("r101")}
ORDER = Hypothesis("More parameters raise mAP", "r50 < r101")
BOXES = IMAGES * BOXES_EACH
AP50 = "val/bbox_mAP_50"


@pytest.fixture(scope="module")
def rising(tmp_path_factory) -> Path:
    """r50 finds 30 % of the boxes and r101 90 %."""
    root = tmp_path_factory.mktemp("rising")
    matrix(root, TWO, {R50: 0.3, R101: 0.9})
    return root


@pytest.mark.parametrize(
    ("qualities", "best", "outcome"),
    [({R50: 0.3, R101: 0.9}, R101, "supported"), ({R50: 0.9, R101: 0.3}, R50, "rejected")],
)
def test_contrary_data_give_contrary_conclusions(tmp_path, qualities, best, outcome):
    study = study_of(TWO, [ORDER])
    found = conclude(study, matrix(tmp_path, TWO, qualities), root=tmp_path)
    other = ({*TWO} - {best}).pop()
    assert (
        found.pair(best, other).outcome == "better" and found.pair(other, best).outcome == "worse"
    )
    assert (found.choice.best, found.choice.chosen) == (best, best)
    assert found.standings[other].word == "worse"
    assert [one.outcome for one in found.findings] == [outcome]
    assert found.holds and f"verdict against {best}" in found.why
    assert found.front.metric == found.metric == AP50
    assert found.front.members == (best,) and list(found.front.dominated) == [other]


def test_of_equal_cells_the_cheaper_one_is_chosen(tmp_path):
    matrix(tmp_path, TWO, {R50: 0.7, R101: 0.7})
    write_cell(tmp_path, R101, TWO[R101], 0.7, seed=1, latency_ms=19.0, size_mib=11.0)
    cells = load(tmp_path, TWO)
    by_latency = conclude(study_of(TWO, [ORDER], margin=0.2), cells, root=tmp_path)
    by_size = conclude(study_of(TWO, [ORDER], cost="size_mib", margin=0.2), cells, root=tmp_path)
    assert (
        by_latency.pair(R50, R101).outcome == "not distinguishable"
        and by_latency.findings[0].outcome == "undecided"
    )
    assert (by_latency.choice.chosen, by_size.choice.chosen) == (R101, R50)
    candidate = by_latency.candidates[R101]
    assert (candidate.cost("latency_ms"), candidate.cost("train_minutes")) == (19, 2)


def test_a_latency_beside_other_processes_is_told(tmp_path):
    matrix(tmp_path, TWO, {R50: 0.3, R101: 0.9})

    def why(share: float | None, cost: str = "latency_ms") -> str:
        for name in TWO:
            write_costs(tmp_path, name, f"training-of-{name}", others=share)
        return conclude(study_of(TWO, cost=cost), load(tmp_path, TWO), root=tmp_path).why

    assert "measured while other processes used up to 48% of the machine" in why(0.48)
    for quiet in (why(0.09), why(None), why(0.48, "size_mib")):
        assert "other processes" not in quiet


def test_unequal_load_is_a_reason_not_to_hold(tmp_path):
    matrix(tmp_path, TWO, {R50: 0.3, R101: 0.9})

    def judged(first: float, second: float, cost: str = "latency_ms"):
        for name, others in zip(TWO, (first, second)):
            write_costs(tmp_path, name, f"training-of-{name}", others=others)
        return conclude(study_of(TWO, cost=cost), load(tmp_path, TWO), root=tmp_path)

    unequal = judged(0.03, 0.76)
    assert (
        not unequal.holds
        and (
            f"the latency was measured under unequal load: other processes used 3% of the machine beside {R50} and 76% "
            f"beside {R101}; `make costs` measures again"
        )
        in unequal.why
    )
    for equal in (judged(0.70, 0.76), judged(0.03, 0.76, "size_mib")):
        assert "unequal load" not in equal.why


def test_intervals_are_those_of_the_parts_called_by_hand(rising):
    found = conclude(study_of(TWO, replicates=150), load(rising, TWO), root=rising)
    truth = read_truth(rising / paths.annotations("val"))
    weights = draw_weights(IMAGES, 150, study_of(TWO).seed)
    files = {name: rising / paths.predictions(name, cell, "val") for name, cell in TWO.items()}
    runs = {
        name: [
            evaluate_replicates(
                match_detections(truth, read_detections(json.loads(file.read_text()), truth)),
                weights,
            )
        ]
        for name, file in files.items()
    }
    assert found.pairs[AP50] == pairs.compare_cells(runs, STUDY_STATISTICS["bbox_mAP_50"])
    assert found.estimates[R50][AP50] == estimates.estimate(
        runs[R50], STUDY_STATISTICS["bbox_mAP_50"]
    )
    assert set(found.pairs) == {
        f"{split}/{metric}" for split in ("val", "test") for metric in STUDY_STATISTICS
    } | {"train/loss"}


def test_groups_have_boxes_intervals_and_nothing_where_there_is_no_box(rising):
    found = conclude(study_of(TWO), load(rising, TWO), root=rising)
    groups = {(group.kind, group.name): group for group in found.groups[R101]["val"]}
    assert list(groups) == [("class", name) for name in ("Paper", "Metal", "Battery")] + [
        ("size", name) for name in ("small", "medium", "large")
    ]
    assert groups["class", "Paper"].boxes + groups["class", "Metal"].boxes == BOXES
    battery, paper = groups["class", "Battery"], groups["class", "Paper"]
    assert (battery.boxes, battery.AP, battery.AP50) == (0, None, None)
    assert paper.AP50.low < paper.AP50.value < paper.AP50.high and paper.AP.value < paper.AP50.value
    assert sum(groups["size", size].boxes for size in ("small", "medium", "large")) >= BOXES


def test_a_loss_without_repeats_has_no_verdict(rising):
    claim = Hypothesis("It learns more", "r50 > r101", metric="train/loss")
    found = conclude(study_of(TWO, [claim]), load(rising, TWO), root=rising)
    assert found.pairs["train/loss"] == () and found.findings[0].outcome == "undecided"


def test_a_test_split_without_labels_is_left_out(tmp_path):
    cells = matrix(tmp_path, TWO, {R50: 0.3, R101: 0.9}, labelled_test=False)
    found = conclude(
        study_of(TWO, [dataclasses.replace(ORDER, metric="test/bbox_mAP")]), cells, root=tmp_path
    )
    assert all(
        found.estimates[name][f"test/{metric}"] is None
        for name in TWO
        for metric in STUDY_STATISTICS
    )
    assert all(
        found.pairs[f"test/{metric}"] == () and found.pairs[f"val/{metric}"]
        for metric in ("bbox_mAP",)
    )
    assert (
        found.groups[R50]["test"] == ()
        and found.suspects["test"] == []
        and found.groups[R50]["val"]
    )
    assert found.findings[0].outcome == "undecided" and found.holds and "test" not in found.why


def test_no_labels_anywhere_conclude_nothing(tmp_path):
    matrix(tmp_path, TWO, {R50: 0.3, R101: 0.9}, labelled_test=False)
    (tmp_path / paths.annotations("val")).write_bytes(
        (tmp_path / paths.annotations("test")).read_bytes()
    )
    for name, cell in TWO.items():
        write_cell(tmp_path, name, cell)
    found = conclude(study_of(TWO, [ORDER]), load(tmp_path, TWO), root=tmp_path)
    assert found.choice.chosen is None and not found.holds and f"no cell has a {AP50}" in found.why
    assert found.front.members == () and found.findings[0].outcome == "undecided"


def test_one_cell_alone_is_no_choice(tmp_path):
    only = {R50: TWO[R50]}
    found = conclude(
        study_of(only, [ORDER]),
        matrix(tmp_path, only, {R50: 0.7}),
        {R101: "it is missing"},
        tmp_path,
    )
    assert (found.choice.chosen, found.pairs[AP50], found.fairness) == (R50, (), {})
    assert not found.holds and f"{R50} is the only cell with results" in found.why
    assert found.holes == {R101: "it is missing"} and found.suspects == {"val": [], "test": []}


def test_thirteen_cells_have_every_pair(tmp_path):
    rows = {
        f"cell{number}": row(("r50", "r101", "x101")[number % 3], image_size=512 + 32 * number)
        for number in range(13)
    }
    found = conclude(
        study_of(rows, replicates=100),
        matrix(tmp_path, rows, {name: 0.3 + 0.05 * number for number, name in enumerate(rows)}),
        root=tmp_path,
    )
    assert len(found.pairs[AP50]) == 78 and len(found.fairness) == 156 and len(found.groups) == 13
    assert found.pair("cell12", "cell0").outcome == "better" and found.choice.best in (
        "cell11",
        "cell12",
        "cell10",
    )
    assert found.fairness["cell0", "cell1"].factors == ("backbone", "image_size")
    assert found.fairness["cell0", "cell3"].factors == ("image_size",)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[{", "not JSON"),
        ("{}", "not a list of detections"),
        (
            '[{"image_id": 999, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}]',
            "names an image that the split",
        ),
        (
            '[{"image_id": 1, "category_id": 1, "bbox": [1, 1, NaN, 5], "score": 0.5}]',
            "a number that is not finite",
        ),
        ("[]", "its val/bbox_mAP is 0.0000, and "),
    ],
)
def test_a_fault_in_predictions_is_one_line(tmp_path, content, expected):
    cells = matrix(tmp_path, TWO, {R50: 0.5, R101: 0.6})
    (tmp_path / paths.predictions(R101, TWO[R101], "val")).write_text(content)
    with pytest.raises(InputError) as caught:
        conclude(study_of(TWO), cells, root=tmp_path)
    message = str(caught.value)
    assert message.startswith(f"predictions/r101/fpn/{R101}/val.json: ")
    assert expected in message and "\n" not in message
    # Where the file itself is whole, DVC sees no reason to predict again.
    command = "dvc repro -f" if expected.startswith("its ") else "dvc repro"
    assert message.rstrip("`").endswith(f"{command} stages/dvc.yaml:predict@{R101}")


def test_a_cell_evaluated_on_other_annotations_gets_no_verdict(tmp_path):
    matrix(tmp_path, TWO, {R50: 0.5, R101: 0.6})
    path = tmp_path / paths.per_class(R101, TWO[R101])
    known = json.loads(path.read_text())
    write(path, {**known, "annotations": {**known["annotations"], "val": "0" * 64}})
    found = conclude(study_of(TWO), load(tmp_path, TWO), root=tmp_path)
    assert (
        found.pairs[AP50] == ()
        and found.pairs["test/bbox_mAP_50"]
        and found.estimates[R101][AP50] is None
    )
    assert (
        not found.holds
        and found.obstructed
        and f"{R101} was evaluated on other val annotations" in found.why
    )
    assert found.choice.best == R50


def test_what_stops_a_choice(tmp_path):
    matrix(tmp_path, TWO, {R50: 0.7, R101: 0.7})
    # r50 is cheaper and as good on val, and much worse on test.
    write_cell(tmp_path, R50, TWO[R50], (0.69, 0.2), seed=5, latency_ms=10.0)
    write_cell(tmp_path, R101, TWO[R101], (0.72, 0.9), seed=1)
    found = conclude(study_of(TWO, margin=0.2), load(tmp_path, TWO), root=tmp_path)
    assert (found.choice.best, found.choice.chosen, found.choice.shown) == (R101, R50, True)
    assert (
        not found.holds
        and f"on the test split {R50} loses more than 0.2 against {R101}, -0." in found.why
    )
    thin = conclude(study_of(TWO, metric="val/bbox_mAP_s"), load(tmp_path, TWO), root=tmp_path)
    boxes = thin.estimates[R50]["val/bbox_mAP_s"].boxes
    assert (
        0 < boxes < 100
        and not thin.holds
        and f"rests on {boxes} boxes, which are too few to decide" in thin.why
    )


def test_thin_metrics_decide_no_hypothesis(rising):
    claim = dataclasses.replace(ORDER, metric="val/bbox_mAP_s")
    found = conclude(study_of(TWO, [claim]), load(rising, TWO), root=rising)
    assert (
        found.findings[0].outcome == "undecided"
        and "boxes are too few to decide" in found.findings[0].sentence
    )


def test_what_rows_declare_is_no_confounder_and_the_rest_is(tmp_path):
    rows = {R50: row("r50"), "slow": row("r50", lr=0.01), R101: row("r101", lr=0.01)}
    matrix(tmp_path, rows, {R50: 0.3, "slow": 0.5, R101: 0.9})
    for name in ("slow", R101):
        write_cell(tmp_path, name, rows[name], 0.5, run={"lr_per_sample": 0.01})
    cells = load(tmp_path, rows)
    found = conclude(study_of(rows, [dataclasses.replace(ORDER)]), cells, root=tmp_path)
    assert (
        found.fairness[R50, "slow"].factors == ("lr_per_sample",)
        and found.fairness[R50, "slow"].fair
    )
    assert (
        found.fairness["slow", R101].factors == ("backbone",) and found.fairness["slow", R101].fair
    )
    assert found.fairness[R50, R101].topics == ("learning rate per image",)
    assert found.findings[0].confounded


def test_the_sentence_says_where_the_choice_is_confounded(tmp_path):
    matrix(tmp_path, TWO, {R50: 0.7, R101: 0.7})
    write_cell(tmp_path, R50, TWO[R50], 0.69, seed=5, run={"batch_size": 32}, latency_ms=10.0)
    cells = load(tmp_path, TWO)
    found = conclude(study_of(TWO, margin=0.2), cells, root=tmp_path)
    assert found.holds and (found.choice.best, found.choice.chosen) == (R101, R50)
    assert f"{R50} against {R101} is confounded: they also differ in batch size" in found.why


def test_suspects_are_what_all_good_cells_contradict(tmp_path):
    rows = {**TWO, X101: row("x101")}
    matrix(tmp_path, rows, {R50: 0.9, R101: 0.9, X101: 0.1})
    coco = json.loads((tmp_path / paths.annotations("val")).read_text())
    box = coco["annotations"][0]
    wrong = {
        "image_id": box["image_id"],
        "category_id": 3 - box["category_id"],
        "bbox": box["bbox"],
        "score": 1.0,
    }
    for number, name in enumerate((R50, R101)):
        rest = [
            one
            for one in detections(tmp_path, "val", 0.9, number)
            if one["bbox"][0] > 5
            and not (
                one["image_id"] == 1
                and abs(one["bbox"][0] - box["bbox"][0]) < 9
                and abs(one["bbox"][1] - 10) < 9
            )
        ]
        write_cell(tmp_path, name, rows[name], 0.9, found={"val": [wrong, *rest]})
    found = conclude(study_of(rows), load(tmp_path, rows), root=tmp_path)
    worse = [name for name, standing in found.standings.items() if standing.word == "worse"]
    assert worse == [X101]
    assert [one["box_id"] for one in found.suspects["val"]] == [box["id"]]
    assert set(found.suspects["val"][0]["cells"]) == {R50, R101}
