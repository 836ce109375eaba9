"""The report of finished cells: the numbers are the inputs and the words follow from them."""

from __future__ import annotations

import csv
import dataclasses
import json
import re

import pytest
from report_cells import (
    DATA,
    METRICS,
    NAMES,
    Page,
    context,
    load_all,
    load_cell,
    report,
    write_cell,
)
from report_judgements import judged

from stages.errors import InputError
from stages.report.curves import PANELS
from stages.report.page import write_report
from stages.results.files import Series


@pytest.fixture
def cells(tmp_path):
    return load_all(tmp_path)


def with_score(cell, split: str, metric: str, value: float | None):
    return dataclasses.replace(
        cell, scores=cell.scores | {split: cell.scores[split] | {metric: value}}
    )


def test_table_and_summary_hold_the_inputs_at_full_precision(cells, tmp_path):
    files = report(list(reversed(cells)), tmp_path / "reports")
    rows = list(csv.DictReader(files["compare.csv"].splitlines()))
    assert [row["cell"] for row in rows] == NAMES
    for row, cell in zip(rows, cells, strict=True):
        metrics = json.loads(
            (tmp_path / "metrics" / row["backbone"] / row["neck"] / f"{cell.name}.json").read_text()
        )
        for split in ("val", "test"):
            assert {key: float(row[f"{split}_{key}"]) for key in METRICS} == metrics[split]
        assert float(row["train_loss"]) == metrics["train"]["loss"]
        assert float(row["train_minutes"]) == metrics["train"]["minutes"]
        assert int(row["parameters"]) == metrics["model"]["parameters"]
        assert tuple(row[key] for key in ("detector", "optimizer")) == (
            cell.row["detector"],
            cell.row["optimizer"],
        )
        assert row["run_id"] == cell.run_id
    summary = json.loads(files["summary.json"])
    assert summary["best"] == summary["chosen"] == NAMES[3]
    assert summary["best_val_mAP_50"] == cells[3].scores["val"]["bbox_mAP_50"]
    assert summary["cells"] == 4 and summary["holes"] == 0
    assert not any(isinstance(value, dict | list) for value in summary.values())


def test_curves_are_long_tables_of_the_history(cells, tmp_path):
    files = report(cells, tmp_path / "reports")
    assert sorted(name for name in files if name.startswith("curves/")) == sorted(
        f"curves/{panel.replace('/', '_')}.csv" for panel in PANELS
    )
    rows = list(csv.DictReader(files["curves/train_loss.csv"].splitlines()))
    assert list(rows[0]) == ["step", "value", "cell"]
    assert [float(row["value"]) for row in rows if row["cell"] == NAMES[1]] == [
        4 / step for step in range(1, 13)
    ]
    rows = list(csv.DictReader(files["curves/val_bbox_mAP_s.csv"].splitlines()))
    assert [int(row["step"]) for row in rows if row["cell"] == NAMES[0]] == [4, 8, 12]


def test_contrary_data_gives_contrary_sentences(cells, tmp_path):
    before = report(cells, tmp_path / "before")
    lifted = [with_score(cells[0], "val", "bbox_mAP_50", 0.9), *cells[1:]]
    falling = dataclasses.replace(
        lifted[1],
        history=lifted[1].history | {"val/bbox_mAP_50": Series((4, 8, 12), (0.5, 0.6, 0.4))},
    )
    after = report([lifted[0], falling, *lifted[2:]], tmp_path / "after")
    for name in ("report.md", "index.html"):
        one, other = (Page(files[name]).text for files in (before, after))
        assert f"Highest val mAP50: 0.261 ({NAMES[3]})." in one
        assert f"Highest val mAP50: 0.900 ({NAMES[0]})." in other and NAMES[3] in other
        assert "first to the last validation in 4 of 4 cells." in one
        assert f"first to the last validation in 3 of 4 cells; not in {NAMES[1]}." in other
        assert f"Highest test mAP50: 0.087 ({NAMES[3]})." in one and f"0.087 ({NAMES[3]})." in other
    assert json.loads(after["summary.json"])["best"] == NAMES[0]
    assert (
        f"## Per class: {NAMES[0]}" in after["report.md"]
        and f"## Per class: {NAMES[3]}" in before["report.md"]
    )


def test_train_loss_is_ranked_within_a_detector(cells, tmp_path):
    losses = [f"**{cell.train_loss:.4f}**" for cell in cells]
    cascade = dataclasses.replace(cells[2], row=cells[2].row | {"detector": "cascade_rcnn"})
    two_each = report([*cells[:2], cascade, cells[3]], tmp_path / "two")["report.md"]
    assert [text in two_each for text in losses] == [True, False, True, False]
    assert "faster_rcnn, cascade_rcnn are sums of different terms" in two_each
    one_detector = report(cells[:3], tmp_path / "one")["report.md"]
    assert [text in one_detector for text in losses] == [True, False, False, False]
    assert "sums of different terms" not in one_detector


def test_missing_values_are_said_to_be_missing(cells, tmp_path):
    gaps = {split: dict.fromkeys(METRICS) for split in ("val", "test")}
    empty = [
        dataclasses.replace(
            cell,
            scores=gaps,
            train_loss=None,
            history={},
            run={},
            per_class={"val": (), "test": ()},
        )
        for cell in cells
    ]
    files = report(empty, tmp_path / "reports", data={})
    row = next(csv.DictReader(files["compare.csv"].splitlines()))
    assert row["val_bbox_mAP_s"] == row["train_loss"] == row["run_id"] == ""
    assert json.loads(files["summary.json"])["best"] is None
    assert "No cell has a val mAP50." in files["report.md"]
    none = rf"^\| {NAMES[0]} \| not compared \| n/a \| n/a \| not placed: score not measured \| n/a \| n/a \| n/a \|"
    assert re.search(none, files["report.md"], re.MULTILINE)
    assert (
        "**Nothing to ship yet**" in files["report.md"]
        and "No cell has a val mAP50." in files["report.md"]
    )
    cells_of_page = [
        attributes for tag, attributes in Page(files["index.html"]).elements if tag == "td"
    ]
    assert any(cell.get("data-value") == "" for cell in cells_of_page)
    assert files["curves/train_loss.csv"] == "step,value,cell\n"


def test_negative_and_not_finite_scores_are_missing(tmp_path):
    write_cell(tmp_path, NAMES[0], 0)
    path = tmp_path / "metrics/r50/fpn" / f"{NAMES[0]}.json"
    metrics = json.loads(path.read_text())
    metrics["val"] |= {"bbox_mAP_s": -1, "bbox_mAP_m": float("nan")}
    path.write_text(json.dumps(metrics))
    history = path.with_suffix("") / "history.csv"
    history.write_text(history.read_text().replace("3,1,0.01,1.0,", "3,1,0.01,nan,"))
    cell = load_cell(NAMES[0], tmp_path)
    assert cell.scores["val"]["bbox_mAP_s"] is None and cell.scores["val"]["bbox_mAP_m"] is None
    assert cell.lost_steps == 1 and 3 not in cell.history["train/loss"].steps
    files = report([cell], tmp_path / "reports")
    assert f"{NAMES[0]}: the loss was not a finite number in 1 training step." in files["report.md"]


def test_one_cell_with_one_epoch(cells, tmp_path):
    short = {
        key: Series(series.steps[:1], series.values[:1]) for key, series in cells[0].history.items()
    }
    one = dataclasses.replace(cells[0], history=short, epoch_steps=1)
    files = report([one], tmp_path / "reports")
    assert (
        "It is the only cell with results: there is nothing to compare it with."
        in files["report.md"]
    )
    assert "No two cells were compared in val mAP50." in files["report.md"]
    assert "1 cell had fewer than two validations" in files["report.md"]
    row = next(
        line for line in files["report.md"].splitlines() if line.startswith(f"| {NAMES[0]} ")
    )
    assert "**" not in row and "Highest val mAP50" not in files["report.md"]
    assert any(
        tag == "path" and a.get("class") == "dot" for tag, a in Page(files["index.html"]).elements
    )


def test_the_introduction_says_what_is_compared_on_which_data(cells, tmp_path):
    voc = DATA | {"source": "voc", "name": "blood cells"}
    miniature = report(cells, tmp_path / "miniature")
    full = report(cells, tmp_path / "full", scale="full", data=voc)
    for name in ("report.md", "index.html"):
        small, large = Page(miniature[name]).text, Page(full[name]).text
        assert "A comparison of 4 detectors, all trained and evaluated on synthetic images" in small
        assert "A cell is one trained detector, a row of params.yaml." in small
        assert (
            "Scale miniature: the models are reduced." in small and "Scale miniature" not in large
        )
        assert "Detection Matrix: blood cells, 4 of 4 cells" in large
        assert 'images in Pascal VOC format (data set "blood cells")' in large
        assert "Scale full: the models have their full size." in large
    one = report(cells[2:3], tmp_path / "one", scale="full")["report.md"]
    assert "One detector, trained and evaluated on synthetic images" in one


def test_the_seeds_are_those_of_the_runs(cells, tmp_path):
    seeded = [
        dataclasses.replace(cell, run=cell.run | {"seed": seed}) for seed, cell in enumerate(cells)
    ]
    text = report(seeded, tmp_path / "seeds")["report.md"]
    assert (
        "| seed | 0 (1 of 4 cells), 1 (1 of 4 cells), 2 (1 of 4 cells), 3 (1 of 4 cells) |" in text
    )
    assert "| seed | 7 |" in report(cells, tmp_path / "none")["report.md"]


def test_a_repeated_cell_stands_with_its_mean_everywhere(cells, tmp_path):
    """The best of two seeds is no better than the mean of both."""
    again = dataclasses.replace(with_score(cells[3], "val", "bbox_mAP_50", 0.301), name="again")
    mean = (cells[3].scores["val"]["bbox_mAP_50"] + 0.301) / 2
    judgement = judged([*cells[:3], with_score(cells[3], "val", "bbox_mAP_50", mean)])
    judgement = dataclasses.replace(
        judgement, repeats=dict(judgement.repeats) | {NAMES[3]: (NAMES[3], "again")}
    )
    files = report([*cells, again], tmp_path, judgement=judgement, listed=[*NAMES, "again"])
    row = next(
        line for line in files["report.md"].splitlines() if line.startswith(f"| {NAMES[3]} ")
    )
    assert (
        "| **0.281** [" in row and f"Highest val mAP50: 0.281 ({NAMES[3]})." in files["report.md"]
    )
    own = next(line for line in files["report.md"].splitlines() if line.startswith("| again "))
    assert "| 0.301 |" in own and "**0.301**" not in own
    assert [
        float(line["val_bbox_mAP_50"]) for line in csv.DictReader(files["compare.csv"].splitlines())
    ][3:] == [cells[3].scores["val"]["bbox_mAP_50"], 0.301]


def test_the_same_inputs_give_the_same_bytes(cells, tmp_path):
    again = [load_cell(name, tmp_path) for name in NAMES]
    assert report(cells, tmp_path / "one") == report(again, tmp_path / "two")
    changed = report(cells, tmp_path / "three", seed=8)
    assert changed["index.html"] != (tmp_path / "one/index.html").read_text()


def test_the_selection_is_named(cells, tmp_path):
    assert "# Detection Matrix: 4 of 4 cells\n" in report(cells, tmp_path / "all")["report.md"]
    picked = report(cells[1:3], tmp_path / "swin", selection={"backbone": "swin_l", "neck": ""})
    assert "# Detection Matrix: 2 of 4 cells, backbone=swin_l\n" in picked["report.md"]
    assert "2 of 4 cells, backbone=swin_l" in Page(picked["index.html"]).text
    both = report(cells[2:3], tmp_path / "both", selection={"backbone": "swin_l", "neck": "pafpn"})
    assert "1 of 4 cells, backbone=swin_l, neck=pafpn" in both["report.md"]


def test_facts_that_differ_between_cells_are_counted(cells, tmp_path):
    assert "| git commit | c0ffee0123 |" in report(cells, tmp_path / "same")["report.md"]
    other = dataclasses.replace(cells[0], run=cells[0].run | {"git_commit": "feedbeef"})
    text = report([other, *cells[1:]], tmp_path / "mixed")["report.md"]
    assert "feedbeef (1 of 4 cells), c0ffee0123 (3 of 4 cells)" in text


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("metrics/r50/fpn/{}.json", "analyse"),
        ("metrics/fpn/{}.json", "analyse"),
        ("metrics/r50/fpn/{}/run.json", "train"),
        ("metrics/r50/fpn/{}/history.csv", "train"),
    ],
)
def test_absent_and_broken_files_name_path_and_remedy(tmp_path, path, stage):
    name, path = NAMES[0], path.format(NAMES[0])
    write_cell(tmp_path, name, 0)
    for text in (None, "{", "[1]", ""):
        (tmp_path / path).unlink(missing_ok=True)
        if text is not None:
            (tmp_path / path).write_text(text)
        with pytest.raises(InputError) as error:
            load_cell(name, tmp_path)
        message = str(error.value)
        assert (
            path in message
            and f"dvc repro stages/dvc.yaml:{stage}@{name}" in message
            and "\n" not in message
        )


def test_refused_cells_leave_an_earlier_report_alone(cells, tmp_path):
    before = report(cells, tmp_path / "reports")
    for wrong, changes in (([], {}), ([cells[0], cells[0]], {}), (cells, {"listed": NAMES[1:]})):
        with pytest.raises(InputError, match=r"dvc repro|params\.yaml"):
            write_report(wrong, context(**changes), judged(cells), tmp_path / "reports")
    assert before == {name: (tmp_path / "reports" / name).read_bytes().decode() for name in before}
    with pytest.raises(ValueError, match="miniature, full"):
        context(scale="medium")


@pytest.mark.parametrize(
    "name", ["../../outside", "/tmp/outside", "a/b", "..", "", "L" * 300, "a\nb", "a\0b"]
)
def test_a_name_that_is_no_files_is_refused_and_nothing_written(cells, tmp_path, name):
    renamed = [dataclasses.replace(cells[0], name=name), *cells[1:]]
    listed = [name, *NAMES[1:]]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"letters, digits, .* params\.yaml") as error:
        write_report(renamed, context(listed=listed), judged(renamed), tmp_path / "deep/er/reports")
    assert repr(name) in str(error.value) and "\n" not in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before
