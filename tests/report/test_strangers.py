"""The report of a stranger's study: nothing in it is of the shipped one, and words and intervals agree."""

from __future__ import annotations

import dataclasses
import json
import re

import made_matrix
import pytest
from report_cells import Page

from stages.comparison import outcomes
from stages.report.header import ReportContext
from stages.report.page import write_report
from stages.study.params import Hypothesis
from stages.verdict import matrix

CLASSES = ("Platelets", "RBC", "WBC")
# Names, classes and published numbers of the shipped study, and of the model zoo that it starts from.
FOREIGN = (
    "recycl",
    "trash",
    "paper",
    "metal",
    "glass",
    "plastic",
    "styrofoam",
    "battery",
    "clothing",
    "leaderboard",
    "photograph",
    "zoo",
    "the study's",
    "the study",
    "published",
    "all 2 others",
    "source voc",
    "mobilenet",
    "x101",
    "swin",
    "cascade",
    "pafpn",
    "0.3672",
    "0.3929",
    "0.4189",
    "0.4369",
)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Blood cells in VOC format: three rows and a repeat of one, two hypotheses."""
    root = tmp_path_factory.mktemp("stranger")
    row = made_matrix.row
    cells = {
        "base": row("r50"),
        "base-again": dataclasses.replace(row("r50"), seed=1),
        "deeper": row("r101"),
        "deeper-800": row("r101", image_size=800),
    }
    qualities = {"base": 0.7, "base-again": 0.68, "deeper": 0.72, "deeper-800": 0.3}
    stated = [
        Hypothesis("Depth pays", "r50 < r101"),
        Hypothesis("Pixels pay", "512 < 800", {"backbone": "r101"}),
    ]
    study = made_matrix.study_of(cells, stated)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made_matrix, "CLASSES", CLASSES)
        results = made_matrix.matrix(root, cells, qualities)
    judgement = matrix.conclude(study, results, {}, root)
    counts = dict(zip(CLASSES, (70, 100, 70), strict=True))
    data = {
        "name": "blood cells",
        "source": "voc",
        "digest": "d1g35t",
        "splits": {
            split: {"images": 60, "boxes": 240, "classes": counts}
            for split in ("train", "val", "test")
        },
    }
    context = ReportContext("full", 0, data, {"backbone": "", "neck": ""}, list(cells))
    write_report(results, context, judgement, root / "reports")
    return root / "reports", judgement


def texts(stranger) -> dict[str, str]:
    folder, judgement = stranger
    page = Page((folder / "index.html").read_text(encoding="utf-8"))
    titles = [attributes.get("title") or "" for _, attributes in page.elements]
    return {
        "page": f"{page.text} {' '.join(titles)}",
        "report.md": (folder / "report.md").read_text(encoding="utf-8"),
        "summary.json": (folder / "summary.json").read_text(encoding="utf-8"),
        "MLflow's description": outcomes.comparison_note(judgement),
    }


def test_no_word_comes_from_the_shipped_study(stranger):
    for where, text in texts(stranger).items():
        found = [word for word in FOREIGN if word in text.lower()]
        assert not found, (where, found)
    assert all(name in texts(stranger)["page"] for name in (*CLASSES, "blood cells", "Pascal VOC"))


def test_cells_are_named_by_what_differs_and_seeds_are_those_of_the_rows(stranger):
    text = texts(stranger)["page"]
    assert "Ship r" in text or "r50 is ahead" in text or "r101 is ahead" in text
    assert "r101 · 800 px" in text and "repeats r50 with seed 1" in text
    assert "0 (3 of 4 cells), 1 (1 of 4 cells)" in text
    # One score of the best cell, wherever it stands.
    folder, judgement = stranger
    best = judgement.estimates[judgement.choice.best][judgement.metric].value
    assert f"Highest val mAP50: {best:.3f} ({judgement.short(judgement.choice.best)})." in text
    assert json.loads((folder / "summary.json").read_text())["best_val_mAP_50"] == best


ENDS = r"\[([+-][\d.e-]+), ([+-][\d.e-]+)\]"


def disagreements(html: str) -> tuple[list[tuple], int]:
    """What stands as undecided beside an interval without 0, or as decided beside one that holds it, in all panels;
    and how many words with an interval there are."""
    wrong, seen = [], 0
    page = Page(html)
    rows = [title for _, attributes in page.elements if (title := attributes.get("title"))]
    panels = (
        r"<li data-cell.*?</li>|<td class=\"against\".*?</td>|<div class=\"row\".*?</div>\n</div>"
    )
    rows += re.findall(panels, html, re.DOTALL)
    for row in rows:
        ends = re.search(ENDS, row)
        row = row.replace("probability of being better", "")
        word = re.search(r"not distinguishable|undecided|\bbetter\b|\bworse\b", row)
        if not ends or not word:
            continue
        seen += 1
        low, high = float(ends[1]), float(ends[2])
        is_open = word[0] in ("not distinguishable", "undecided")
        if is_open != (low <= 0 <= high):
            wrong.append((word[0], low, high))
    return wrong, seen


def test_no_interval_without_zero_stands_beside_an_open_verdict(stranger):
    folder, _ = stranger
    wrong, seen = disagreements((folder / "index.html").read_text(encoding="utf-8"))
    assert not wrong and seen > 10


def test_the_reader_of_intervals_would_notice():
    wrong = disagreements(
        '<p title="a against b: not distinguishable\nval mAP50: -0.2 [-0.262, -0.079]">x</p>'
    )
    assert wrong == ([("not distinguishable", -0.262, -0.079)], 1)
    assert disagreements('<p title="a against b: worse\nval mAP50: -0.2 [-0.262, +0.079]">x</p>')[0]
