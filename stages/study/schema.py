"""The dataclasses of params.yaml: the one place where its keys, types and bounds are written down."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic.dataclasses import dataclass

from stages.study.metrics import MAX_DETECTIONS
from stages.study.strict import CONFIG, StudyError

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

PositiveInt = Annotated[StrictInt, Field(ge=1)]
NonNegativeInt = Annotated[StrictInt, Field(ge=0)]
PositiveFloat = Annotated[StrictFloat, Field(gt=0)]
NonNegativeFloat = Annotated[StrictFloat, Field(ge=0)]
Share = Annotated[StrictFloat, Field(ge=0.01, le=0.5)]
Seed = Annotated[StrictInt, Field(ge=0, le=2**31 - 1)]


@dataclass(frozen=True, config=CONFIG)
class DemoImages:
    train: PositiveInt
    val: PositiveInt
    test: PositiveInt


@dataclass(frozen=True, config=CONFIG)
class Source:
    """Where a split's labels are, and the folder that image names start from, both inside
    Data.root.

    annotations: one name or several that are joined. coco: JSON files; voc: a folder of XML files
    or a list of images (ImageSets/Main/train.txt); yolo: a folder of label files.
    """

    annotations: StrictStr | list[StrictStr]
    images: StrictStr = ""

    @property
    def files(self) -> list[str]:
        """The names, none where the split has no files of its own."""
        names = [self.annotations] if isinstance(self.annotations, str) else self.annotations
        return [name for name in names if name]


@dataclass(frozen=True, config=CONFIG)
class Data:
    """Where images and boxes come from; a split without annotation files is a share of the train
    images. name: of the data set in the report and in MLflow; it decides nothing of what is
    trained."""

    source: Literal["demo", "coco", "voc", "yolo"]
    root: StrictStr
    train: Source
    val: Source
    test: Source
    val_share: Share
    test_share: Share
    folds: StrictInt = Field(ge=1, le=100, default=1)
    fold: NonNegativeInt = 0
    group: StrictStr = DEFAULT_GROUP
    near_duplicate_bits: StrictInt = Field(ge=0, le=127, default=60)
    pixels: Literal["decode", "header", "none"] = "decode"
    tiny_pixels: NonNegativeFloat = 8
    rare_boxes: NonNegativeInt = 20
    max_detections: PositiveInt = MAX_DETECTIONS
    policy: dict[StrictStr, StrictStr] = Field(default_factory=dict)
    demo_images: DemoImages = Field(default_factory=lambda: DemoImages(240, 200, 160))
    demo_image_size: StrictInt = Field(ge=64, le=4096, default=512)
    name: StrictStr = ""

    @property
    def display_name(self) -> str:
        """`name`, or where there is none "demo" or the name of the folder `root`."""
        if self.name:
            return self.name
        if self.source == "demo":
            return self.source
        return Path(self.root).resolve().name or self.source


@dataclass(frozen=True, config=CONFIG)
class Weights:
    """A file of pretrained weights: an http(s) address or a path. sha256: all 64 hex digits, or as
    many as its publisher gives (at least 8); None trusts the file and says so."""

    source: StrictStr
    licence: StrictStr
    sha256: StrictStr | None = None


@dataclass(frozen=True, config=CONFIG)
class Backbone:
    """weights: None where none are published: it starts from random weights at every scale."""

    weights: Weights | None


@dataclass(frozen=True, config=CONFIG)
class Scale:
    """One block of `scales`. `lr` is for REFERENCE_BATCH images a step (see
    stages/model/schedule.py).

    reduced: models are cut down; None: in the block `miniature` alone."""

    image_scale: Annotated[StrictFloat, Field(gt=0, le=4)]
    weights: Literal["none", "imagenet"]
    epochs: PositiveInt
    batch_size: PositiveInt
    milestones: list[StrictInt]
    warmup_iterations: NonNegativeInt
    lr: dict[StrictStr, PositiveFloat]
    clip_grad: NonNegativeFloat
    workers: NonNegativeInt
    threads: NonNegativeInt
    device_batch: NonNegativeInt = 0
    processes: PositiveInt = 1
    ema: StrictFloat = Field(ge=0, le=0.1, default=0.0)
    early_stopping: NonNegativeInt = 0
    first_validation: PositiveInt = 1
    amp: Literal["none", "bf16", "fp16"] = "none"
    channels_last: StrictBool = False
    tf32: StrictBool = False
    cudnn_benchmark: StrictBool = False
    compile: StrictBool = False
    image_cache: StrictBool = False
    reduced: StrictBool | None = None


@dataclass(frozen=True, config=CONFIG)
class Cell:
    """One row of the matrix; a key given here overrides the scale's, `lr` its optimizer's, `seed`
    the study's, `fold` the data's. A key that is null is as good as none.

    train_share: of the training images; those of a smaller share are within those of a larger one.
    """

    detector: StrictStr
    backbone: StrictStr
    neck: StrictStr
    optimizer: StrictStr
    image_size: Annotated[StrictInt, Field(ge=SMALLEST_IMAGE, le=LARGEST_IMAGE)]
    epochs: PositiveInt | None = None
    batch_size: PositiveInt | None = None
    lr: PositiveFloat | None = None
    device_batch: NonNegativeInt | None = None
    seed: Seed | None = None
    fold: NonNegativeInt | None = None
    train_share: StrictFloat | None = Field(gt=0, le=1, default=None)
    activation_checkpointing: StrictBool | None = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation_checkpointing", bool(self.activation_checkpointing))
        if self.train_share == 1:
            # The same training as without it.
            object.__setattr__(self, "train_share", None)


@dataclass(frozen=True, config=CONFIG)
class Hypothesis:
    """A claim and what must hold for it: an expression (stages/verdict/expressions.py), or metric
    -> expression.

    where: factor -> its one level. metric: one, several, or "every"; of no use where holds names
    its metrics.
    """

    claim: StrictStr
    holds: StrictStr | dict[StrictStr, StrictStr]
    where: dict[StrictStr, StrictStr | StrictInt | StrictFloat] = Field(default_factory=dict)
    metric: StrictStr | list[StrictStr] = DEFAULT_METRIC


@dataclass(frozen=True, config=CONFIG)
class Verdicts:
    """metric: what decides which cell to ship, one of val; cost: what is to be low
    (stages/verdict/choice.py); replicates: how many resampled splits the intervals rest on; margin:
    the largest loss of the metric, in its units, that is accepted for a lower cost."""

    metric: StrictStr = DEFAULT_METRIC
    cost: Literal["latency_ms", "peak_memory_mib", "train_minutes", "size_mib", "parameters"] = (
        "latency_ms"
    )
    replicates: StrictInt = Field(ge=100, le=100_000, default=1000)
    margin: StrictFloat = Field(ge=0, le=1, default=0.01)


@dataclass(frozen=True, config=CONFIG)
class Study:
    """All of params.yaml. study: the name of MLflow's experiments and of the registered model."""

    scale: StrictStr
    backbone: StrictStr
    neck: StrictStr
    seed: Seed
    data: Data
    scales: dict[StrictStr, Scale]
    backbones: dict[StrictStr, Backbone]
    cells: dict[StrictStr, Cell]
    hypotheses: list[Hypothesis] = Field(default_factory=list)
    verdicts: Verdicts = Field(default_factory=Verdicts)
    study: StrictStr = DEFAULT_STUDY

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
