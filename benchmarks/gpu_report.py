"""Writes docs/gpu-results.md from what runs of the GPU pack brought back; nothing that is not in
their files.

Run: python -m benchmarks.gpu_report FOLDER ... [--page docs/gpu-results.md]
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

from benchmarks.gpu import lines, wording
from stages.errors import InputError
from stages.study.params import ROOT

PAGE = ROOT / "docs" / "gpu-results.md"
WRITTEN = "Written by `python -m benchmarks.gpu_report` from the files of runs of the GPU pack."
# The columns of each part's table; other parts are sentences.
COLUMNS = {
    "throughput": ("images_s", "step_ms", "data_share", "peak_mib", "busy"),
    "switches": ("images_s", "step_ms", "data_share", "peak_mib", "busy"),
    "by-heart": ("images", "boxes", "epochs", "step", "best_mAP50", "learnt", "training_s"),
    "resumed": (
        "steps",
        "killed_at",
        "equal",
        "first_difference",
        "largest_difference",
        "training_s",
    ),
    "pretrained": (
        "images",
        "boxes",
        "images_s",
        "epochs",
        "step",
        "best_mAP50",
        "last_loss",
        "training_s",
    ),
    "stages": (
        "train_s",
        "predict_s",
        "analyse_s",
        "costs_s",
        "device",
        "latency_ms",
        "images_per_second",
        "gflops",
    ),
    "compile": ("images_s", "step_ms", "data_share", "peak_mib", "busy"),
    "large": ("images_s", "step_ms", "peak_mib", "busy"),
    "memory": ("images_s", "step_ms", "peak_mib", "busy"),
    "two-processes": ("refusal",),
}
# Parts whose history is drawn below them.
CURVES = ("by-heart", "pretrained")
# In this part MMDetection's defaults are what the others of a model are compared with.
COMPARED = "throughput"
POINTS = 30

Entry = dict[str, Any]


def main(folders: list[Path], page: Path = PAGE) -> None:
    """A section for each folder. Raises InputError where a folder has no results, or a rehearsal's,
    which are no GPU's."""
    text = ["# GPU results", "", WRITTEN]
    for number, folder in enumerate(folders, 1):
        entries = read(folder)
        machine = _last(entries, "ready") or {}
        if page.resolve() == PAGE and not machine.get("cuda"):
            raise InputError(
                f"{folder}: no GPU has made these results; name another page to see them: "
                f"python -m benchmarks.gpu_report {folder} --page PAGE"
            )
        if len(folders) > 1:
            text += ["", f"## Run {number} of {len(folders)}"]
        text += ["", *write(entries, folder)]
    page.write_text("\n".join(text) + "\n", encoding="utf-8")
    print(page)


def read(folder: Path) -> list[Entry]:
    """The entries of the run in the folder."""
    try:
        entries = lines.read(folder)
    except OSError as error:
        raise InputError(f"{folder / lines.JSON}: cannot be read: {error.strerror}") from None
    if _last(entries, "start") is None:
        raise InputError(f"{folder / lines.JSON}: holds no run")
    return entries


def write(entries: list[Entry], folder: Path) -> list[str]:
    """The lines of a run."""
    text = _head(entries)
    # A start that failed is not repeated where another kind of start works.
    checks = _measured(entries, "check")
    if checks:
        text += ["", *map(wording.line, checks)]
    for part in entries:
        if part["kind"] != "part":
            continue
        measured = _measured(entries, part["part"])
        text += ["", f"### {part['title']}", "", *_part(part["part"], measured)]
        if part["part"] in CURVES:
            text += _curve(folder / f"history-{part['part']}.csv")
        if part["part"] == "resumed":
            text += _losses(folder)
    return text


def _measured(entries: list[Entry], part: str) -> list[Entry]:
    return [entry for entry in entries if entry["kind"] == "measured" and entry["part"] == part]


def _head(entries: list[Entry]) -> list[str]:
    start, machine, end = (_last(entries, kind) for kind in ("start", "ready", "end"))
    pack = start["pack"]
    text = []
    if machine is None or not machine.get("cuda"):
        text += ["**A rehearsal without a GPU: none of these numbers is a GPU's.**", ""]
    rows = [
        ("commit", pack["commit"] or "unknown"),
        ("scale", start["scale"]),
        ("minutes", f"{start['minutes']:g}"),
    ]
    if "photographs" in pack:
        train, val = (pack["photographs"][split] for split in ("train", "val"))
        rows.append(
            (
                "photographs",
                f"{pack['photographs']['set']}: {train['images']} with {train['boxes']} boxes to "
                f"train, {val['images']} with {val['boxes']} to validate",
            )
        )
    rows += _machine(machine) if machine else []
    rows.append(
        (
            "ended",
            f"{end['why']}, after {end['seconds']:.0f} s" if end else "was stopped from outside",
        )
    )
    return [
        *text,
        "| what | value |",
        "|---|---|",
        *(f"| {name} | {_escaped(value)} |" for name, value in rows),
    ]


def _machine(machine: Entry) -> list[tuple[str, str]]:
    rows = [
        ("device", machine["device"]),
        ("processor", f"{machine['processor']}, {machine['cores']} cores"),
        ("memory", f"{machine['memory_gib']} GiB"),
        ("system", machine["system"]),
    ]
    if machine.get("cuda"):
        rows.insert(
            1,
            (
                "GPU",
                f"{machine['gpu_mib']} MiB, capability {machine['capability']}, driver "
                f"{machine['driver']}, CUDA {machine['cuda']}, cuDNN {machine['cudnn']}",
            ),
        )
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return [*rows, ("versions", versions), ("ready after", f"{machine['seconds']:.0f} s")]


def _part(name: str, measured: list[Entry]) -> list[str]:
    columns = COLUMNS[name]
    done = [entry for entry in measured if entry["status"] == "done"]
    text = []
    if done:
        heads = [wording.SHOWN[column][0] for column in columns]
        ratio = ["x MMDetection's images/s"] if name == COMPARED else []
        text += [
            "| " + " | ".join(["", *heads, *ratio]) + " |",
            "|---|" + "---:|" * (len(heads) + len(ratio)),
        ]
    for entry in done:
        cells = [_escaped(wording.cell(entry["values"], column)) for column in columns]
        if name == COMPARED:
            cells.append(_ratio(entry, done))
        text.append("| " + " | ".join([entry["name"], *cells]) + " |")
    refused = [wording.line(entry) for entry in measured if entry["status"] != "done"]
    if done and refused:
        text.append("")
    return [*text, *refused]


def _ratio(entry: Entry, done: list[Entry]) -> str:
    """images/s against the first measurement of the same model, MMDetection's defaults where they
    ran."""
    model = entry["name"].partition(",")[0]
    peers = [
        peer for peer in done if peer["name"].startswith(f"{model},") and peer["values"].get("peer")
    ]
    if not peers:
        return "n/a"
    return f"{entry['values']['images_s'] / peers[0]['values']['images_s']:.2f}"


def _curve(path: Path) -> list[str]:
    """val mAP50 and train loss over epochs, as far as the history goes."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["val/bbox_mAP_50"]]
    if not rows:
        return []
    rows = rows[:: -(-len(rows) // POINTS)]
    epochs = ", ".join(row["epoch"] for row in rows)
    scores = ", ".join(f"{float(row['val/bbox_mAP_50']):.3f}" for row in rows)
    return [
        "",
        "```mermaid",
        "xychart-beta",
        '    title "val mAP50 over epochs"',
        f"    x-axis [{epochs}]",
        "    y-axis 0 --> 1",
        f"    line [{scores}]",
        "```",
        "",
        "| epoch | step | train/loss | val mAP | val mAP50 |",
        "|---:|---:|---:|---:|---:|",
        *(
            f"| {row['epoch']} | {row['step']} | {float(row['train/loss']):.3f} | "
            f"{float(row['val/bbox_mAP']):.3f} | {float(row['val/bbox_mAP_50']):.3f} |"
            for row in rows
        ),
    ]


def _losses(folder: Path) -> list[str]:
    """How far the losses of the resumed training are from the straight one's, as far as both go."""
    paths = [folder / f"history-{name}.csv" for name in ("straight", "resumed")]
    if not all(path.is_file() for path in paths):
        return []
    losses = []
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            losses.append([float(row["train/loss"]) for row in csv.DictReader(file)])
    gaps = [abs(second - first) for first, second in zip(*losses)]
    apart = [step for step, gap in enumerate(gaps, 1) if gap]
    text = f"Losses of the resumed and the straight training over the {len(gaps)} steps of both: "
    if not apart:
        return ["", text + "the same bits."]
    return [
        "",
        text + f"equal before step {apart[0]}, then up to {max(gaps):.3f} apart, where the loss is "
        f"{losses[0][gaps.index(max(gaps))]:.3f}.",
    ]


def _last(entries: list[Entry], kind: str) -> Entry | None:
    return next((entry for entry in reversed(entries) if entry["kind"] == kind), None)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_report")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    try:
        main(options.folders, options.page)
    except InputError as problem:
        sys.exit(str(problem))
