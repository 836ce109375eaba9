"""Everything that only a GPU can show, in one command; writes docs/gpu-results.md.

Run on the GPU machine, with data/prepared made from real photographs and data/weights/mobilenet_v2.safetensors there:
    python -m benchmarks.gpu_results [EPOCHS=12] [OVERFIT_EPOCHS=120] [SCALE=full]

1. Every cell of 512 pixels for one epoch: MMDetection's defaults against this project with the switches below.
2. Faster R-CNN with ResNet-50 learns 50 images by heart: the proof that the training loop learns.
3. Faster R-CNN with MobileNetV2 (pretrained) and with ResNet-50 (from random weights) on the whole set.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import train_throughput
from benchmarks.workspace import workspace
from stages.study import params
from stages.study.params import ROOT

SWITCHES = {"epochs": "1", "milestones": "[]", "weights": "none", "amp": "bf16", "channels_last": "true",
            "tf32": "true", "image_cache": "true"}
SMALLEST_PX, IMAGES = 16, 50
R50, SMALL = "faster_rcnn-r50-fpn-sgd-512", "faster_rcnn-mobilenet_v2-fpn-sgd-512"


def main(epochs: int = 12, overfit_epochs: int = 120, scale: str = "full") -> None:
    study = params.load()
    lines = ["# GPU results", "",
             f"Written by `python -m benchmarks.gpu_results {epochs} {overfit_epochs} {scale}`.", ""]
    lines += throughput([name for name, cell in study.cells.items() if cell.image_size == 512], scale)
    lines += ["", f"## {IMAGES} images by heart", "", *by_heart(scale, overfit_epochs)]
    lines += ["", f"## {epochs} epochs on the whole set", ""]
    for cell, weights in ((SMALL, "imagenet"), (R50, "none")):
        record, rows = trained(cell, scale, {"epochs": epochs, "milestones": [epochs * 2 // 3], "weights": weights})
        lines += [f"### {cell}, weights: {weights}", "", *curve(record, rows), ""]
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs/gpu-results.md").write_text("\n".join(lines), encoding="utf-8")


def throughput(cells: list[str], scale: str) -> list[str]:
    """A row per cell: both sides and their ratio."""
    lines = ["## Throughput", "", "One epoch a side, " + ", ".join(f"{key}={value}" for key, value in SWITCHES.items()),
             "", "| cell | defaults img/s | ours img/s | step ratio | data_time | memory MiB | GPU busy |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    for cell in cells:
        found = train_throughput.compare(cell, scale, 1, SWITCHES)
        a, b = (train_throughput.median(found[side]) for side in "ab")
        busy = "n/a" if b["busy"] is None else f"{b['busy']:.0f} %"
        lines.append(f"| {cell} | {a['images'] / a['wall_s']:.1f} | {b['images'] / b['wall_s']:.1f} | "
                     f"{a['step_s'] / b['step_s']:.2f} | {b['data_share']:.1%} | {b['peak_mib']:.0f} | {busy} |")
    return [*lines, "", f"Device: {found['a'][0]['device']}."]


def by_heart(scale: str, epochs: int) -> list[str]:
    """Trains and validates on the same few images, those with large enough boxes alone."""
    with tempfile.TemporaryDirectory() as name:
        prepared = Path(name)
        coco = json.loads((ROOT / "data/prepared/train.json").read_text(encoding="utf-8"))
        small = {entry["image_id"] for entry in coco["annotations"] if min(entry["bbox"][2:]) < SMALLEST_PX}
        coco["images"] = [image for image in coco["images"] if image["id"] not in small][:IMAGES]
        kept = {image["id"] for image in coco["images"]}
        coco["annotations"] = [entry for entry in coco["annotations"] if entry["image_id"] in kept]
        root = Path(coco["info"]["image_root"])
        coco["info"]["image_root"] = str(root if root.is_absolute() else ROOT / root)
        for split in ("train", "val", "test"):
            (prepared / f"{split}.json").write_text(json.dumps(coco), encoding="utf-8")
        record, rows = trained(R50, scale, {"epochs": epochs, "milestones": [epochs * 3 // 4], "weights": "none",
                                            "image_cache": True}, prepared)
    return [f"{len(coco['images'])} images with {len(coco['annotations'])} boxes of {SMALLEST_PX} px and more, trained "
            "and validated on the same.", "", *curve(record, rows)]


def trained(cell: str, scale: str, changes: dict[str, Any],
            prepared: Path = ROOT / "data/prepared") -> tuple[dict[str, Any], list[dict[str, str]]]:
    """run.json and the rows of history.csv that have a validation."""
    def change(values: dict[str, Any]) -> None:
        values["scale"] = scale
        values["scales"][scale].update(changes)

    with workspace(change, prepared) as copy:
        copy.run("stages.train", cell)
        folder = next((copy.folder / "metrics").glob(f"*/*/{cell}"))
        kept = ROOT / ".work" / "gpu-results" / f"{cell}-{changes['epochs']}"
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        with (folder / "history.csv").open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["val/bbox_mAP_50"]]
        return json.loads((folder / "run.json").read_text(encoding="utf-8")), rows


def curve(record: dict[str, Any], rows: list[dict[str, str]]) -> list[str]:
    """Validations, a dozen of them at most, and what the training took."""
    shown = rows[::max(1, len(rows) // 12)] + ([rows[-1]] if len(rows) > 12 else [])
    return [f"Best val mAP50 {record['best']['bbox_mAP_50']:.3f} in epoch {record['best']['epoch']}; "
            f"{record['train_minutes']:.1f} minutes, {record['peak_memory_mib']:.0f} MiB, {record['device']}.", "",
            "| epoch | iteration | train/loss | val mAP | val mAP50 |", "|---:|---:|---:|---:|---:|",
            *(f"| {row['epoch']} | {row['step']} | {float(row['train/loss']):.3f} | {float(row['val/bbox_mAP']):.3f} | "
              f"{float(row['val/bbox_mAP_50']):.3f} |" for row in shown)]


if __name__ == "__main__":
    kinds: tuple[Callable[[str], Any], ...] = (int, int, str)
    main(*(kind(argument) for kind, argument in zip(kinds, sys.argv[1:])))
