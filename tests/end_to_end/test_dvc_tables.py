"""What DVC prints of two experiments: real `dvc exp run`, `metrics`, `exp show` and `plots` on dvc.yaml's own outs."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sys

import pytest
import yaml
from conftest import Project
from report_cells import METRICS, NAMES, load_all
from report_judgements import judged

from stages.report.summary import cell_files, summary_json
from stages.study.params import ROOT

# The flag of docs/running.md: what is left are the params and the scores. Hypotheses that differ would make a column of
# all their text, to which each row of each other experiment is padded: 137 KB of blanks.
RUNNING = (ROOT / "docs/running.md").read_text(encoding="utf-8")
DROP = re.search(r"dvc exp show --only-changed --drop '([^']+)'", RUNNING)[1]
CLAIM = "{claim: " + "a_long_sentence_" * 20 + ", holds: r101}"
# The stage compare without what is before it: the report of finished cells, whose scores a parameter lifts.
MAKE = f"""
import dataclasses, sys, yaml
from pathlib import Path
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests/helpers")!r}]
from report_cells import load_all, report
lift = yaml.safe_load(Path("params.yaml").read_text())["lift"]
cells = [dataclasses.replace(cell, scores={{split: {{key: value + lift * (number == 0) for key, value in known.items()}}
         for split, known in cell.scores.items()}}) for number, cell in enumerate(load_all(Path("work")))]
report(cells, Path("work/reports"))
import shutil
shutil.rmtree("reports", ignore_errors=True)
shutil.copytree("work/reports", "reports")
shutil.rmtree("work")
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Project:
    """Two experiments, named low and high, of a repository whose only stage has compare's outs and dvc.yaml's plots."""
    project = Project(tmp_path_factory.mktemp("tables") / "clone")
    project.folder.mkdir()
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    stage = {key: graph["stages"]["compare"][key] for key in ("metrics", "outs")}
    stage |= {
        "cmd": f"{sys.executable} make.py",
        "deps": ["make.py"],
        "params": ["lift", "hypotheses"],
    }
    (project.folder / "dvc.yaml").write_text(
        yaml.safe_dump({"stages": {"compare": stage}, "plots": graph["plots"]})
    )
    (project.folder / "params.yaml").write_text(f"lift: 0.0\nhypotheses:\n  - {CLAIM}\n")
    (project.folder / "make.py").write_text(MAKE)
    project.git("init", "--quiet")
    project.run("dvc", "init", "--quiet")
    shutil.copytree(ROOT / ".dvc/plots", project.folder / ".dvc/plots")
    shutil.copy(ROOT / ".dvc/config", project.folder / ".dvc/config")
    project.run("git", "config", "user.name", "test")
    project.run("git", "config", "user.email", "test@example.invalid")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "a clone")
    for name, lift in (("low", 0.0), ("high", 0.25)):
        project.run(
            "dvc",
            "exp",
            "run",
            "--name",
            name,
            "--set-param",
            f"lift={lift}",
            "--set-param",
            f"hypotheses=[{CLAIM.replace('r101', name)}]",
        )
    return project


def table(project: Project, *command: str) -> list[str]:
    """The lines that a terminal of any width would get."""
    return [
        line.rstrip()
        for line in project.run("dvc", *command, COLUMNS="120").stdout.splitlines()
        if line.strip()
    ]


def test_the_summary_is_flat_and_says_what_was_concluded(tmp_path):
    cells = load_all(tmp_path)
    judgement = judged(cells, holes={"another": "not trained"})
    summary = json.loads(summary_json(cells, judgement))
    assert not any(isinstance(value, dict | list) for value in summary.values())
    assert (summary["chosen"], summary["best"], summary["holds"]) == (NAMES[3], NAMES[3], True)
    assert (summary["cells"], summary["holes"]) == (4, 1)
    assert [summary[key] for key in ("supported", "rejected", "undecided")] == [1, 0, 1]
    assert summary["best_val_mAP_50"] == max(cell.scores["val"]["bbox_mAP_50"] for cell in cells)
    assert summary["best_test_mAP_50"] == max(cell.scores["test"]["bbox_mAP_50"] for cell in cells)
    contrary = json.loads(summary_json(cells, judged(cells, error=0.5, holds=False)))
    assert (contrary["chosen"], contrary["best"], contrary["holds"]) == (NAMES[3], NAMES[3], False)
    best = judgement.standings[NAMES[3]]
    assert (summary["p_best"], summary["expected_loss"]) == (best.p_best, best.expected_loss)
    assert (
        contrary["p_best"] < 0.5 < summary["p_best"]
        and contrary["expected_loss"] > summary["expected_loss"]
    )
    assert [contrary[key] for key in ("supported", "rejected", "undecided")] == [0, 0, 2]
    rows = {path: json.loads(text) for path, text in cell_files(cells, judgement).items()}
    for cell in cells:
        assert rows.pop(f"cells/{cell.name}.json") == {
            "val": cell.scores["val"]["bbox_mAP_50"],
            "test": cell.scores["test"]["bbox_mAP_50"],
            "p_best": judgement.standings[cell.name].p_best,
        }
    assert rows == {}
    repeat = cell_files(cells[:1], judged(cells[1:]))[f"cells/{NAMES[0]}.json"]
    assert json.loads(repeat) == {
        split: cells[0].scores[split]["bbox_mAP_50"] for split in ("val", "test")
    }


def test_metrics_show_is_a_row_for_the_study_and_one_for_each_cell(repository):
    shown = json.loads("".join(table(repository, "metrics", "show", "--json")))[""]["data"]
    assert set(shown) == {"reports/summary.json", *(f"reports/cells/{name}.json" for name in NAMES)}
    assert shown["reports/summary.json"]["data"]["best"] == NAMES[0]
    assert len(table(repository, "metrics", "show", "--md")) == 3 + len(NAMES)
    cells = table(repository, "metrics", "show", "reports/cells")
    assert len(cells) == 1 + len(NAMES) and max(map(len, cells)) <= 120
    assert all(len(line.split()) == 4 for line in cells)


def test_metrics_diff_names_what_changed_and_fits_a_terminal(repository):
    lines = table(
        repository, "metrics", "diff", "--targets", "reports/summary.json", "--", "low", "high"
    )
    rows = {line.split()[1]: line.split() for line in lines[1:]}
    assert set(rows) == {
        "best",
        "best_test_mAP_50",
        "best_val_mAP_50",
        "chosen",
        "p_best",
        "expected_loss",
        "rejected",
        "supported",
    }
    assert rows["best"][2:] == [NAMES[3], NAMES[0], "-"]
    assert float(rows["best_val_mAP_50"][4]) == pytest.approx(0.361 - 0.261, abs=1e-4)
    assert max(map(len, lines)) <= 120


def test_metrics_diff_of_the_cells_is_a_row_each(repository):
    lines = table(
        repository, "metrics", "diff", "--all", "--targets", "reports/cells", "--", "low", "high"
    )
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in lines[1:]}
    files = {name: f"reports/cells/{name}.json" for name in NAMES}
    assert set(rows) == {
        (file, split) for file in files.values() for split in ("val", "test", "p_best")
    }
    assert [float(value) for value in rows[files[NAMES[0]], "val"]] == pytest.approx(
        [0.111, 0.361, 0.25], abs=1e-4
    )
    assert float(rows[files[NAMES[1]], "val"][2]) == 0 and max(map(len, lines)) <= 120


def test_exp_show_is_a_row_for_each_experiment(repository):
    text = "\n".join(table(repository, "exp", "show", "--only-changed", "--drop", DROP, "--csv"))
    rows = {row["Experiment"]: row for row in csv.DictReader(io.StringIO(text))}
    assert {"low", "high"} < set(rows)
    assert (
        float(rows["high"]["best_val_mAP_50"]) == pytest.approx(0.361)
        and rows["high"]["lift"] == "0.25"
    )
    # What a screen shows without scrolling, behind the name and the time.
    assert list(rows["high"])[4:9] == [
        "best_val_mAP_50",
        "best_test_mAP_50",
        "holds",
        "chosen",
        "best",
    ]
    assert len(rows["high"]) <= 18 + 3 * len(NAMES) and "hypotheses" not in rows["high"]
    # Which of several experiments was best in the cell that they changed.
    score = f"reports/cells/{NAMES[0]}.json:val"
    assert float(rows["high"][score]) - float(rows["low"][score]) == pytest.approx(0.25)
    changed = {
        key
        for key in rows["high"]
        if key.startswith("reports/") and rows["high"][key] != rows["low"][key]
    }
    assert {score, score.replace("val", "test")} <= changed


def test_plots_diff_lays_two_revisions_over_each_other(repository):
    plots = json.loads("".join(table(repository, "plots", "diff", "low", "high", "--json")))["data"]
    assert list(plots) == [
        "val mAP50 of each cell",
        "test mAP50 of each cell",
        "train/loss",
        *(f"val/{metric}" for metric in METRICS),
    ]
    for name, [plot] in plots.items():
        content = (
            plot["content"] if isinstance(plot["content"], dict) else json.loads(plot["content"])
        )
        rows, encoding = content["data"]["values"], content["encoding"]
        assert {(row["rev"], row["cell"]) for row in rows} == {
            (rev, cell) for rev in ("low", "high") for cell in NAMES
        }
        # Every field that the drawing reads is in the data, and tells revisions and cells apart.
        fields = {channel["field"] for channel in encoding.values()}
        assert (
            {"rev", "cell"} <= fields
            and fields <= set(rows[0])
            and "<DVC" not in json.dumps(content)
        ), name
        assert all(
            float(row[channel["field"]]) >= 0
            for row in rows
            for channel in encoding.values()
            if channel["type"] == "quantitative"
        )
    bars = plots["val mAP50 of each cell"][0]["content"]
    bars = bars if isinstance(bars, dict) else json.loads(bars)
    scores = {
        (row["rev"], row["cell"]): float(row["val_bbox_mAP_50"]) for row in bars["data"]["values"]
    }
    assert scores["high", NAMES[0]] - scores["low", NAMES[0]] == pytest.approx(0.25)


def test_the_page_of_plots_is_written(repository):
    repository.run("dvc", "plots", "diff", "low", "high", "--out", "page")
    page = (repository.folder / "page/index.html").read_text(encoding="utf-8")
    assert page.count("vegaEmbed(") == 9 and all(name in page for name in NAMES)
