"""What the report says of fairness: fed with the study's own flaws it says confounded, with clean settings fair."""

from __future__ import annotations

import dataclasses

import pytest
from report_cells import NAMES, Page, load_all, report
from report_judgements import judged

from stages.report.verdicts.fairness import confounding
from stages.verdict.fairness import NEEDED

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
    assert not found.topics and found.detail.sentence.startswith(
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
    rows = {key: (kind, one, other, why) for kind, key, one, other, why in found.detail.rows}
    assert rows["batch_size"][:3] == ("confounder", "8", "4") and rows["detector"][0] == "declared"
    assert "another number of steps" in rows["batch_size"][3] and rows["epochs"][:3] == (
        "confounder",
        "15",
        "20",
    )
    kinds = [kind for kind, *_ in (*found.detail.rows, *found.detail.folded)]
    assert {kind for kind, *_ in found.detail.rows} == {"confounder", "declared"}
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
    assert confounding(judged(sgd[:1])).detail is None


def test_cautions_are_counted_over_all_pairs(sgd):
    unknown = [dataclasses.replace(cell, run={"run_id": cell.run_id}) for cell in sgd]
    found = confounding(judged(unknown))
    cautions = dict(found.cautions)
    # The row of params.yaml, which is known, holds the optimizer and the image size.
    told = ", ".join(key for key in NEEDED if key != "image_size")
    assert cautions[f"Not recorded for either: {told}."] == 3
    assert any("config" in caution for caution in found.detail.cautions)


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
    assert len(found.detail.folded) == 60 and found.detail.left_out > 20
    assert [key for kind, key, *_ in found.detail.rows if kind == "confounder"] == ["epochs"]
