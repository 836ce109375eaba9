"""Small finished cells on disk and their report, for the tests of the report."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

from stages.report.header import ReportContext
from stages.report.page import render_report, write_report
from stages.results import cell as cell_results
from stages.results.cell import CellResult, Costs
from stages.results.files import CellFiles
from stages.study.params import Cell

METRICS = ("bbox_mAP", "bbox_mAP_50", "bbox_mAP_75", "bbox_mAP_s", "bbox_mAP_m", "bbox_mAP_l")
ROWS = {
    "faster_rcnn-r50-fpn-sgd-512": ("faster_rcnn", "r50", "fpn", "sgd", 512),
    "faster_rcnn-swin_l-fpn-sgd-512": ("faster_rcnn", "swin_l", "fpn", "sgd", 512),
    "faster_rcnn-swin_l-pafpn-adamw-1024": ("faster_rcnn", "swin_l", "pafpn", "adamw", 1024),
    "cascade_rcnn-r50-fpn-sgd-1024": ("cascade_rcnn", "r50", "fpn", "sgd", 1024),
}
NAMES = list(ROWS)
DATA = {
    "source": "demo",
    "digest": "d1g35t",
    "splits": {
        "train": {"images": 24, "boxes": 130, "classes": {"Paper": 100, "Battery": 30}},
        "val": {"images": 6, "boxes": 31, "classes": {"Paper": 31, "Battery": 0}},
        "test": {"images": 7, "boxes": 40, "classes": {"Paper": 33, "Battery": 7}},
    },
}
EPOCHS, STEPS = 3, 4


def row_of(name: str) -> dict:
    return dict(
        zip(("detector", "backbone", "neck", "optimizer", "image_size"), ROWS[name], strict=True)
    )


def write_cell(root: Path, name: str, number: int) -> None:
    """The four files of a cell; every value depends on `number`, so that no two cells share one."""
    row = row_of(name)
    folder = root / "metrics" / row["backbone"] / row["neck"]
    (folder / name).mkdir(parents=True)
    val = {metric: 0.1 + 0.05 * number + 0.011 * i for i, metric in enumerate(METRICS)}
    test = {metric: value / 3 for metric, value in val.items()}
    history, last = [], []
    for step in range(1, EPOCHS * STEPS + 1):
        epoch = (step - 1) // STEPS + 1
        loss = (3 + number) / step
        last += [loss] if epoch == EPOCHS else []
        scores = [
            f"{val[metric] * epoch / EPOCHS!r}" if step % STEPS == 0 else "" for metric in METRICS
        ]
        history.append([step, epoch, 0.01, loss, loss / 2, *scores])
    with (folder / name / "history.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["step", "epoch", "lr", "train/loss", "train/loss_cls", *(f"val/{m}" for m in METRICS)]
        )
        writer.writerows(history)
    metrics = {
        "val": val,
        "test": test,
        "train": {"loss": sum(last) / len(last), "minutes": 1.5 + number},
        "model": {"parameters": 2_000_000 + number},
    }
    run = {
        "run_id": f"run{number}abcdef",
        "git_commit": "c0ffee0123456789",
        "image_size": row["image_size"],
    }
    run |= {"device": "cpu", "versions": {"torch": "2.11.0"}, "finished": f"2025-01-0{number + 1}"}
    classes = {
        "val": [
            {"class": "Paper", "boxes": 31, "AP": 0.21 + 0.1 * number, "AP50": 0.41 + 0.1 * number},
            {"class": "Battery", "boxes": 0, "AP": None, "AP50": None},
        ],
        "test": [
            {"class": "Paper", "boxes": 33, "AP": 0.2, "AP50": 0.4},
            {"class": "Battery", "boxes": 7, "AP": 0.0, "AP50": 0.0},
        ],
    }
    (folder / f"{name}.json").write_text(json.dumps(metrics))
    (folder / name / "run.json").write_text(json.dumps(run))
    by_class = root / "metrics" / row["neck"] / f"{name}.json"
    by_class.parent.mkdir(exist_ok=True)
    by_class.write_text(json.dumps({"cell": name, "run_id": run["run_id"], "per_class": classes}))


def load_all(root: Path) -> list[CellResult]:
    """All cells of ROWS, written under `root` and read again."""
    for number, name in enumerate(NAMES):
        write_cell(root, name, number)
    return [load_cell(name, root) for name in NAMES]


def load_cell(name: str, root: Path) -> CellResult:
    return cell_results.load_cell(CellFiles(name, Cell(**row_of(name)), root), Costs(root))


def context(**changes) -> ReportContext:
    given = {
        "scale": "miniature",
        "seed": 7,
        "data": DATA,
        "selection": {"backbone": "", "neck": ""},
        "listed": NAMES,
    }
    return ReportContext(**given | changes)


def report(cells, folder: Path, judgement=None, **changes) -> dict[str, str]:
    """Every file of the report by its path; the judgement of report_judgements.judged where none is given."""
    from report_judgements import judged

    write_report(cells, context(**changes), judgement or judged(cells), folder)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes().decode() for path in paths}


def rendered(cells, root: Path, judgement, **changes) -> dict[str, str]:
    """The same files unwritten: names that are no file's, which write_report refuses, can be looked at."""
    return render_report(cells, context(**changes), judgement, root)


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text outside of style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("style", "script"):
            self.words.append(data)
