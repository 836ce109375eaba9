"""All pairs as a square, and what the report says of fairness: fed with the study's own flaws it says confounded,
with clean settings fair."""

from __future__ import annotations

import dataclasses

import pytest
from report_cells import NAMES, Page, load_all, report
from report_judgements import judged

from stages.report.shown_cells import page_cells
from stages.report.texts import OUTCOME_MARKS
from stages.report.verdicts.pairs import confounding, matrices
from stages.verdict.fairness import NEEDED_RECORDS

R50, SWIN, PAFPN, CASCADE = NAMES
CLEAN = {
    "batch_size": 8,
    "lr_per_sample": 0.00125,
    "epochs": 15,
    "seed": 0,
    "weights": "imagenet",
    "data_digest": "d1",
    "git_commit": "c1",
    "milestones": [10, 13],
    "optimizer": "sgd",
    "image_size": 512,
}


def with_runs(cells, **by_cell):
    """Clean settings, and what single cells have instead: r50={"epochs": 20}."""
    names = dict(zip(("r50", "swin", "pafpn", "cascade"), NAMES, strict=True))
    changes = {names[key]: change for key, change in by_cell.items()}
    return [
        dataclasses.replace(
            cell,
            run=cell.run
            | CLEAN
            | {"image_size": cell.row["image_size"], "optimizer": cell.row["optimizer"]}
            | changes.get(cell.name, {}),
        )
        for cell in cells
    ]


@pytest.fixture
def cells(tmp_path):
    return load_all(tmp_path)


@pytest.fixture
def sgd(cells):
    """Without the AdamW cell, whose rate at the clean settings is off the linear rule."""
    return [cell for cell in cells if cell.name != PAFPN]


def test_clean_settings_are_fair(sgd, tmp_path):
    found = confounding(judged(with_runs(sgd)))
    assert (
        found.sentence == "All 3 pairs of cells are fair: no two differ in more than is compared."
    )
    assert not found.topics and found.fairness.sentence.startswith(
        f"Fair: {CASCADE} and {SWIN} differ in"
    )
    text = Page(report(with_runs(sgd), tmp_path)["index.html"]).text
    assert (
        "confounded by" not in text.split("Definitions")[0]
        and "†" not in text.split("Who beats whom")[0]
    )


def test_the_study_s_flaws_are_named(sgd, tmp_path):
    """ResNet with batch 32 for 15 epochs, Swin with batch 4 for 20, Cascade with batch 8: shared rate of 0.02."""
    flawed = with_runs(
        sgd,
        r50={"batch_size": 32, "lr_per_sample": 0.02 / 32},
        swin={"batch_size": 4, "epochs": 20, "lr_per_sample": 0.02 / 4},
        cascade={"batch_size": 8, "lr_per_sample": 0.02 / 8},
    )
    found = confounding(judged(flawed))
    assert found.sentence.startswith("3 of 3 pairs of cells are confounded")
    assert {topic: len(pairs) for topic, pairs in found.topics.items()} == {
        "batch size": 3,
        "learning rate per image": 3,
        "length of training": 2,
    }
    rows = {key: (kind, one, other, why) for kind, key, one, other, why in found.rows}
    assert rows["batch_size"][:3] == ("confounder", "8", "4") and rows["detector"][0] == "declared"
    assert "another number of steps" in rows["batch_size"][3] and rows["epochs"][:3] == (
        "confounder",
        "15",
        "20",
    )
    kinds = [kind for kind, *_ in (*found.rows, *found.folded)]
    assert {kind for kind, *_ in found.rows} == {"confounder", "declared"}
    assert kinds == sorted(kinds, key=("confounder", "declared", "consequence", "harmless").index)
    files = report(flawed, tmp_path)
    text = Page(files["index.html"]).text
    assert "3 of 3 pairs of cells are confounded" in text and "batch size (32 against 4)" in text
    assert (
        "The two also differ in batch size, learning rate per image, length of training: the comparison is "
        "confounded." in text
    )
    assert "| batch size | 3 of 3 |" in files["report.md"]
    assert (
        f"- batch_size: 8 in {CASCADE}, 4 in {SWIN}: another number of steps" in files["report.md"]
    )
    row = next(line for line in files["report.md"].splitlines() if line.startswith(f"| {R50} | "))
    assert row.startswith(f"| {R50} | ▼ worse -0.150 ") and "(confounded) |" in row


def test_one_pair_is_singular(sgd):
    found = confounding(judged(with_runs(sgd[:2], swin={"epochs": 20})))
    assert found.sentence.startswith("1 of 1 pair of cells is confounded") and found.pairs == 1
    assert confounding(judged(with_runs(sgd[:2]))).sentence.startswith(
        "The only pair of cells is fair"
    )
    assert confounding(judged(sgd[:1])).sentence == "There are no two cells to compare."
    assert confounding(judged(sgd[:1])).fairness is None


def test_cautions_are_counted_over_all_pairs(sgd):
    unknown = [dataclasses.replace(cell, run={"run_id": cell.run_id}) for cell in sgd]
    found = confounding(judged(unknown))
    cautions = dict(found.cautions)
    # The row of params.yaml, which is known, holds the optimizer and the image size.
    told = ", ".join(key for key in NEEDED_RECORDS if key != "image_size")
    assert cautions[f"Not recorded for either: {told}."] == 3
    assert any("config" in caution for caution in found.fairness.cautions)


def test_many_differences_are_cut_after_those_that_matter(sgd):
    versions = {"versions": {f"tool{i}": "1" for i in range(90)}}
    found = confounding(
        judged(
            with_runs(
                sgd,
                swin={"epochs": 20, **versions},
                cascade={"versions": dict.fromkeys(versions["versions"], "2")},
            )
        )
    )
    assert len(found.folded) == 60 and found.left_out > 20
    assert [key for kind, key, *_ in found.rows if kind == "confounder"] == ["epochs"]


def squares(judgement, cells):
    return matrices(judgement, page_cells(cells, judgement))


def test_the_square_of_pairs_is_antisymmetric_and_says_all(cells):
    found = judged(cells)
    square, *others = squares(found, cells)
    assert [one.label for one in (square, *others)] == ["val mAP50", "test mAP50"]
    assert square.names == NAMES[::-1] and others[0].names == square.names
    contrary = {"better": "worse", "worse": "better", "not distinguishable": "not distinguishable"}
    for i, row in enumerate(square.rows):
        assert row[i] is None
        for j, one in enumerate(row):
            if i != j:
                assert (
                    one.outcome == contrary[square.rows[j][i].outcome]
                    and one.shade == square.rows[j][i].shade
                )
                assert float(one.text) == -float(square.rows[j][i].text)
    top = square.rows[0][3]
    assert top.shade == 100 and top.outcome == "better" and top.confounded is False
    assert OUTCOME_MARKS[top.outcome][0] == "▲"
    assert top.title.splitlines()[:2] == [
        f"{CASCADE} against {R50}: better",
        "val mAP50: +0.150 [+0.097, +0.203] (240 boxes, 48 images)",
    ]
    assert (
        "after Holm's correction over 6 pairs" in top.title
        and "runs run3abcdef and run0abcdef" in top.title
    )
    assert (
        "would be decided by about 400 images instead of 48"
        in squares(judged(cells, 0.2), cells)[0].rows[0][1].title
    )
