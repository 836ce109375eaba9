"""params.yaml as dataclasses: the one place where its keys, types and bounds are written down."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml

from stages.study.strict import StudyError, bounded, read

ROOT = Path(__file__).resolve().parents[2]

# A cell's name becomes a DVC stage, a folder and an MLflow run: nothing that a shell or a path could read otherwise.
CELL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,120}")


@dataclass(frozen=True)
class DemoImages:
    train: int = bounded(minimum=1)
    val: int = bounded(minimum=1)
    test: int = bounded(minimum=1)


@dataclass(frozen=True)
class Source:
    """Where a split's labels are, and the folder that image names start from, both inside Data.root.

    annotations: one name or several that are joined. coco: JSON files; voc: a folder of XML files or a list of images
    (ImageSets/Main/train.txt); yolo: a folder of label files.
    """

    annotations: str | list[str]
    images: str = ""

    @property
    def files(self) -> list[str]:
        """The names, none where the split has no files of its own."""
        names = [self.annotations] if isinstance(self.annotations, str) else self.annotations
        return [name for name in names if name]


@dataclass(frozen=True)
class Data:
    """Where images and boxes come from; a split without annotation files is a share of the train images."""

    source: Literal["demo", "coco", "voc", "yolo"]
    root: str
    train: Source
    val: Source
    test: Source
    val_share: float = bounded(minimum=0.01, maximum=0.5)
    test_share: float = bounded(minimum=0.01, maximum=0.5)
    folds: int = bounded(minimum=1, maximum=100, default=1)
    fold: int = bounded(minimum=0, default=0)
    group: str = "group"
    near_duplicate_bits: int = bounded(minimum=0, maximum=127, default=60)
    pixels: Literal["decode", "header", "none"] = "decode"
    tiny_pixels: float = bounded(minimum=0, default=8)
    rare_boxes: int = bounded(minimum=0, default=20)
    max_detections: int = bounded(minimum=1, default=100)
    policy: dict[str, str] = field(default_factory=dict)
    demo_images: DemoImages = field(default_factory=lambda: DemoImages(240, 48, 48))
    demo_image_size: int = bounded(minimum=64, maximum=4096, default=512)


@dataclass(frozen=True)
class Weights:
    """A file of pretrained weights: an http(s) address or a path. sha256: all 64 hex digits, or as many as its
    publisher gives (at least 8); None trusts the file and says so."""

    source: str
    licence: str
    sha256: str | None = None


@dataclass(frozen=True)
class Backbone:
    weights: Weights


@dataclass(frozen=True)
class Scale:
    """One block of `scales`. `lr` is for REFERENCE_BATCH images a step (see stages/model/schedule.py)."""

    image_scale: float = bounded(above=0, maximum=4)
    weights: Literal["none", "imagenet"] = field()
    epochs: int = bounded(minimum=1)
    batch_size: int = bounded(minimum=1)
    milestones: list[int] = field()
    warmup_iterations: int = bounded(minimum=0)
    lr: dict[str, float] = bounded(above=0)
    clip_grad: float = bounded(minimum=0)
    workers: int = bounded(minimum=0)
    threads: int = bounded(minimum=0)
    device_batch: int = bounded(minimum=0, default=0)
    processes: int = bounded(minimum=1, default=1)
    ema: float = bounded(minimum=0, maximum=0.1, default=0.0)
    early_stopping: int = bounded(minimum=0, default=0)
    amp: Literal["none", "bf16", "fp16"] = "none"
    channels_last: bool = False
    tf32: bool = False
    cudnn_benchmark: bool = False
    compile: bool = False
    image_cache: bool = False


@dataclass(frozen=True)
class Cell:
    """One row of the matrix; a key that is given here overrides the scale's, `lr` its optimizer's."""

    detector: str
    backbone: str
    neck: str
    optimizer: str
    image_size: int = bounded(minimum=32, maximum=8192)
    epochs: int | None = bounded(minimum=1, default=None)
    batch_size: int | None = bounded(minimum=1, default=None)
    lr: float | None = bounded(above=0, default=None)
    device_batch: int | None = bounded(minimum=0, default=None)
    activation_checkpointing: bool = False


@dataclass(frozen=True)
class Study:
    scale: Literal["miniature", "full"]
    backbone: str
    neck: str
    seed: int = bounded(minimum=0, maximum=2**31 - 1)
    data: Data = field()
    scales: dict[str, Scale] = field()
    backbones: dict[str, Backbone] = field()
    cells: dict[str, Cell] = field()

    @property
    def training(self) -> Scale:
        """The block that `scale` picks."""
        return self.scales[self.scale]

    def selected(self) -> dict[str, Cell]:
        """The cells under `backbone` and `neck`, in the order of params.yaml."""
        return {
            name: cell
            for name, cell in self.cells.items()
            if self.backbone in ("", cell.backbone) and self.neck in ("", cell.neck)
        }

    def cell(self, name: str) -> Cell:
        """Raises StudyError where params.yaml has no such row."""
        if name not in self.cells:
            raise StudyError(f"cells.{name}: no such cell; params.yaml lists: {', '.join(self.cells)}")
        return self.cells[name]

    def pretrained(self, backbone: str) -> Weights:
        """Raises StudyError where params.yaml has no such backbone."""
        if backbone not in self.backbones:
            raise StudyError(f"backbones.{backbone}: no such backbone; params.yaml lists: {', '.join(self.backbones)}")
        return self.backbones[backbone].weights


def load(path: Path = ROOT / "params.yaml") -> Study:
    """Reads and checks the whole study. Raises StudyError: one line with the key and what is allowed."""
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text)
    except OSError as error:
        raise StudyError(f"{path.name}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise StudyError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from None
    study = read(Study, values, "")
    _check(study)
    return study


def known(part: str, root: Path = ROOT) -> list[str]:
    """The fragments there are: `known("backbones")` lists configs/backbones/*.py by name."""
    return sorted(path.stem for path in (root / "configs" / part).glob("*.py"))


def _check(study: Study) -> None:
    if study.scale not in study.scales:
        raise StudyError(f"scale: {study.scale!r} has no block under scales; there are: {', '.join(study.scales)}")
    if not study.cells:
        raise StudyError("cells: no cell is listed; add a row such as {detector: faster_rcnn, backbone: r50, ...}")
    _check_data(study.data)
    parts = {part: known(part + "s") for part in ("detector", "backbone", "neck", "optimizer")}
    for name, scale in study.scales.items():
        _check_milestones(scale.milestones, scale.epochs, f"scales.{name}.milestones")
        for optimizer in scale.lr:
            if optimizer not in parts["optimizer"]:
                raise StudyError(f"scales.{name}.lr.{optimizer}: unknown optimizer; there are: "
                                 f"{', '.join(parts['optimizer'])}")
    for name, backbone in study.backbones.items():
        if name not in parts["backbone"]:
            raise StudyError(f"backbones.{name}: no configs/backbones/{name}.py; there are: "
                             f"{', '.join(parts['backbone'])}")
        if not re.fullmatch(r"[0-9a-fA-F]{8,64}", backbone.weights.sha256 or "0" * 8):
            raise StudyError(f"backbones.{name}.weights.sha256: {backbone.weights.sha256!r} is not 8 to 64 hex digits")
    for name, cell in study.cells.items():
        if cell.backbone in parts["backbone"] and cell.backbone not in study.backbones:
            raise StudyError(f"backbones.{cell.backbone}: missing, and cell {name} uses it; add its weights")
        if not CELL_NAME.fullmatch(name):
            raise StudyError(f"cells.{name}: a name has letters, digits, '_', '-' and '.' only")
        for part, names in parts.items():
            if getattr(cell, part) not in names:
                raise StudyError(f"cells.{name}.{part}: unknown {part} {getattr(cell, part)!r}; "
                                 f"there are: {', '.join(names)}")
        if cell.lr is None and cell.optimizer not in study.training.lr:
            raise StudyError(f"scales.{study.scale}.lr.{cell.optimizer}: missing; cell {name} needs it")
        _check_batch(study, name, cell)
        if cell.epochs is not None:
            _check_milestones(study.training.milestones, cell.epochs, f"cells.{name}.epochs")
    twins = {}
    for name, cell in study.cells.items():
        if cell in twins:
            raise StudyError(f"cells.{name}: the same row as {twins[cell]}; remove one")
        twins[cell] = name
    _check_selection(study, parts)


def _check_batch(study: Study, name: str, cell: Cell) -> None:
    """One optimizer step must be a whole number of passes over all processes."""
    batch = cell.batch_size or study.training.batch_size
    per_pass = (cell.device_batch if cell.device_batch is not None else study.training.device_batch) or batch
    processes = study.training.processes
    if batch % (min(per_pass, batch) * processes) and not (per_pass >= batch and batch % processes == 0):
        raise StudyError(f"cells.{name}: a batch_size of {batch} is not a multiple of device_batch {per_pass} x "
                         f"processes {processes}; an optimizer step must see whole passes")


def _check_data(data: Data) -> None:
    if data.source != "demo" and not data.train.files:
        raise StudyError("data.train.annotations: empty; name the annotation file, or the folder of label files")
    if data.fold >= data.folds:
        raise StudyError(f"data.fold: {data.fold} is not one of {data.folds} folds, which count from 0")
    if data.folds > 1 and data.val.files:
        raise StudyError("data.folds: val has annotation files of its own; set data.folds to 1 or "
                         "data.val.annotations to \"\"")


def _check_milestones(milestones: list[int], epochs: int, key: str) -> None:
    if milestones != sorted(set(milestones)) or any(not 1 <= milestone < epochs for milestone in milestones):
        raise StudyError(f"{key}: milestones {milestones} must rise and lie between 1 and {epochs - 1}, "
                         f"before the last of {epochs} epochs")


def _check_selection(study: Study, parts: dict[str, list[str]]) -> None:
    for part in ("backbone", "neck"):
        listed = sorted({getattr(cell, part) for cell in study.cells.values()})
        chosen = getattr(study, part)
        if chosen and chosen not in listed:
            what = "no cell uses it" if chosen in parts[part] else f"unknown {part}"
            raise StudyError(f"{part}: {chosen!r}: {what}; the cells use: {', '.join(listed)} (or \"\" for all)")
    if not study.selected():
        pairs = sorted({f"{cell.backbone} with {cell.neck}" for cell in study.cells.values()})
        raise StudyError(f"backbone, neck: no cell has {study.backbone} with {study.neck}; "
                         f"there are: {', '.join(pairs)}")
