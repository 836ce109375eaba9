"""The dataclasses of params.yaml: the one place where its keys, types and bounds are written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stages.study.metrics import MAX_DETECTIONS
from stages.study.strict import StudyError, bounded

ROOT = Path(__file__).resolve().parents[2]
# The factors of a cell that are fragments in configs/.
PARTS = ("detector", "backbone", "neck", "optimizer")
# All factors of a row, in its order.
FACTORS = (*PARTS, "image_size")
# Of a row's image_size, in pixels.
SMALLEST_IMAGE, LARGEST_IMAGE = 32, 8192
DEFAULT_METRIC = "val/bbox_mAP_50"
# Absent in most sets, and no mistake then; another name was written by somebody.
DEFAULT_GROUP = "group"
# What MLflow's experiments and the registered model were called before a study could have a name.
DEFAULT_STUDY = "detection-matrix"


@dataclass(frozen=True)
class DemoImages:
    train: int = bounded(minimum=1)
    val: int = bounded(minimum=1)
    test: int = bounded(minimum=1)


@dataclass(frozen=True)
class Source:
    """Where a split's labels are, and the folder that image names start from, both inside
    Data.root.

    annotations: one name or several that are joined. coco: JSON files; voc: a folder of XML files
    or a list of images (ImageSets/Main/train.txt); yolo: a folder of label files.
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
    """Where images and boxes come from; a split without annotation files is a share of the train
    images. name: of the data set in the report and in MLflow; it decides nothing of what is
    trained."""

    source: Literal["demo", "coco", "voc", "yolo"]
    root: str
    train: Source
    val: Source
    test: Source
    val_share: float = bounded(minimum=0.01, maximum=0.5)
    test_share: float = bounded(minimum=0.01, maximum=0.5)
    folds: int = bounded(minimum=1, maximum=100, default=1)
    fold: int = bounded(minimum=0, default=0)
    group: str = DEFAULT_GROUP
    near_duplicate_bits: int = bounded(minimum=0, maximum=127, default=60)
    pixels: Literal["decode", "header", "none"] = "decode"
    tiny_pixels: float = bounded(minimum=0, default=8)
    rare_boxes: int = bounded(minimum=0, default=20)
    max_detections: int = bounded(minimum=1, default=MAX_DETECTIONS)
    policy: dict[str, str] = field(default_factory=dict)
    demo_images: DemoImages = field(default_factory=lambda: DemoImages(240, 200, 160))
    demo_image_size: int = bounded(minimum=64, maximum=4096, default=512)
    name: str = ""

    @property
    def display_name(self) -> str:
        """`name`, or where there is none "demo" or the name of the folder `root`."""
        if self.name:
            return self.name
        if self.source == "demo":
            return self.source
        return Path(self.root).resolve().name or self.source


@dataclass(frozen=True)
class Weights:
    """A file of pretrained weights: an http(s) address or a path. sha256: all 64 hex digits, or as
    many as its publisher gives (at least 8); None trusts the file and says so."""

    source: str
    licence: str
    sha256: str | None = None


@dataclass(frozen=True)
class Backbone:
    """weights: None where none are published: it starts from random weights at every scale."""

    weights: Weights | None


@dataclass(frozen=True)
class Scale:
    """One block of `scales`. `lr` is for REFERENCE_BATCH images a step (see
    stages/model/schedule.py).

    reduced: models are cut down; None: in the block `miniature` alone."""

    image_scale: float = bounded(above=0, maximum=4)
    weights: Literal["none", "imagenet"] = bounded()
    epochs: int = bounded(minimum=1)
    batch_size: int = bounded(minimum=1)
    milestones: list[int] = bounded()
    warmup_iterations: int = bounded(minimum=0)
    lr: dict[str, float] = bounded(above=0)
    clip_grad: float = bounded(minimum=0)
    workers: int = bounded(minimum=0)
    threads: int = bounded(minimum=0)
    device_batch: int = bounded(minimum=0, default=0)
    processes: int = bounded(minimum=1, default=1)
    ema: float = bounded(minimum=0, maximum=0.1, default=0.0)
    early_stopping: int = bounded(minimum=0, default=0)
    first_validation: int = bounded(minimum=1, default=1)
    amp: Literal["none", "bf16", "fp16"] = "none"
    channels_last: bool = False
    tf32: bool = False
    cudnn_benchmark: bool = False
    compile: bool = False
    image_cache: bool = False
    reduced: bool | None = None


@dataclass(frozen=True)
class Cell:
    """One row of the matrix; a key given here overrides the scale's, `lr` its optimizer's, `seed`
    the study's, `fold` the data's. A key that is null is as good as none.

    train_share: of the training images; those of a smaller share are within those of a larger one.
    """

    detector: str
    backbone: str
    neck: str
    optimizer: str
    image_size: int = bounded(minimum=SMALLEST_IMAGE, maximum=LARGEST_IMAGE)
    epochs: int | None = bounded(minimum=1, default=None)
    batch_size: int | None = bounded(minimum=1, default=None)
    lr: float | None = bounded(above=0, default=None)
    device_batch: int | None = bounded(minimum=0, default=None)
    seed: int | None = bounded(minimum=0, maximum=2**31 - 1, default=None)
    fold: int | None = bounded(minimum=0, default=None)
    train_share: float | None = bounded(above=0, maximum=1, default=None)
    activation_checkpointing: bool | None = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation_checkpointing", bool(self.activation_checkpointing))
        if self.train_share == 1:
            # The same training as without it.
            object.__setattr__(self, "train_share", None)


@dataclass(frozen=True)
class Hypothesis:
    """A claim and what must hold for it: an expression (stages/verdict/expressions.py), or metric
    -> expression.

    where: factor -> its one level. metric: one, several, or "every"; of no use where holds names
    its metrics.
    """

    claim: str
    holds: str | dict[str, str]
    where: dict[str, str | int | float] = field(default_factory=dict)
    metric: str | list[str] = DEFAULT_METRIC


@dataclass(frozen=True)
class Verdicts:
    """metric: what decides which cell to ship, one of val; cost: what is to be low
    (stages/verdict/choice.py); replicates: how many resampled splits the intervals rest on; margin:
    the largest loss of the metric, in its units, that is accepted for a lower cost."""

    metric: str = DEFAULT_METRIC
    cost: Literal["latency_ms", "peak_memory_mib", "train_minutes", "size_mib", "parameters"] = (
        "latency_ms"
    )
    replicates: int = bounded(minimum=100, maximum=100_000, default=1000)
    margin: float = bounded(minimum=0, maximum=1, default=0.01)


@dataclass(frozen=True)
class Study:
    """All of params.yaml. study: the name of MLflow's experiments and of the registered model."""

    scale: str
    backbone: str
    neck: str
    seed: int = bounded(minimum=0, maximum=2**31 - 1)
    data: Data = bounded()
    scales: dict[str, Scale] = bounded()
    backbones: dict[str, Backbone] = bounded()
    cells: dict[str, Cell] = bounded()
    hypotheses: list[Hypothesis] = field(default_factory=list)
    verdicts: Verdicts = field(default_factory=Verdicts)
    study: str = DEFAULT_STUDY

    @property
    def training(self) -> Scale:
        """The block that `scale` picks."""
        return self.scales[self.scale]

    @property
    def reduced(self) -> bool:
        """Whether models are cut down as the fragments' `miniature` says, and images are shrunk
        accordingly."""
        if self.training.reduced is None:
            return self.scale == "miniature"
        return self.training.reduced

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
            raise StudyError(
                f"cells.{name}: no such cell; params.yaml lists: {', '.join(self.cells)}"
            )
        return self.cells[name]

    def seed_of(self, cell: Cell) -> int:
        """The seed of a row's training."""
        return self.seed if cell.seed is None else cell.seed

    def fold_of(self, cell: Cell) -> int | None:
        """The fold that a row validates on, where it is another than the study's own."""
        if cell.fold == self.data.fold:
            return None
        return cell.fold

    def pretrained(self, backbone: str) -> Weights | None:
        """What cells with this backbone start from; None: random weights."""
        if self.training.weights == "none":
            return None
        return self.backbones[backbone].weights
