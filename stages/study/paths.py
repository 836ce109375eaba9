"""Where each stage's files lie, relative to the project's folder. dvc.yaml and stages/dvc.yaml name
the same places."""

# Not `from __future__ import annotations`: a function has that name.
from pathlib import Path

from stages.study.params import Cell

PLAN = Path("data/plan.json")
PREPARED = Path("data/prepared")
CHECKED = Path("data/checked")
CELLS = Path("data/cells")
PRETRAINED = Path("data/pretrained")
WEIGHTS = Path("data/weights")
REPORTS = Path("reports")
# What the selected cells cost to run, measured at one sitting.
COSTS = Path("costs/costs.json")
SCRATCH = Path(".work")
SPLITS = ("train", "val", "test")
# Those that a trained cell is scored on.
EVALUATED = ("val", "test")


def annotations(split: str, fold: int | None = None) -> Path:
    """The COCO file of a split, ids from 1. fold: that of Study.fold_of(), which has train and val
    of its own."""
    folder = PREPARED
    if fold is not None and split != "test":
        folder = PREPARED / "folds" / str(fold)
    return folder / f"{split}.json"


def order(fold: int | None = None) -> Path:
    """The train images, by id, in the order in which a train_share takes them, group by group."""
    return annotations("train", fold).with_name("order.json")


def cell(name: str) -> Path:
    """What decides a cell's training: stages/training/cell_file.py."""
    return CELLS / f"{name}.py"


def pretrained(name: str) -> Path:
    """Which pretrained weights a cell starts from, and the backbone that they are for."""
    return PRETRAINED / f"{name}.json"


def weights(name: str) -> Path:
    """A cell's pretrained tensors under MMDetection's names; none where it trains from scratch."""
    return WEIGHTS / f"{name}.safetensors"


def model(name: str) -> Path:
    """config.py, best.pth and last.pth of a cell."""
    return Path("models") / name


def record(name: str, cell: Cell) -> Path:
    """history.csv and run.json of a cell's training."""
    return Path("metrics") / cell.backbone / cell.neck / name


def metrics(name: str, cell: Cell) -> Path:
    """A cell's DVC metrics. Filed by backbone, then neck: `-S backbone=swin_l` prunes the graph by
    this prefix."""
    return Path("metrics") / cell.backbone / cell.neck / f"{name}.json"


def details(name: str, cell: Cell) -> Path:
    """All that is known of a cell on val and test: stages/analysis/depth.py."""
    return record(name, cell) / "details.json"


def per_class(name: str, cell: Cell) -> Path:
    """AP per class. Filed by neck, so that `-S neck=pafpn` alone prunes the graph as well."""
    return Path("metrics") / cell.neck / f"{name}.json"


def submission(name: str, cell: Cell) -> Path:
    """A cell's detections on test as the study's leaderboard takes them:
    stages/analysis/images.py.

    Not beside the predictions, on which stage costs depends: an edit in the analysis would measure
    all costs again.
    """
    return record(name, cell) / "submission.csv"


def predictions(name: str, cell: Cell, split: str) -> Path:
    """A cell's detections on a split, in COCO's results format. Filed by backbone and neck, as
    metrics are."""
    return Path("predictions") / cell.backbone / cell.neck / name / f"{split}.json"


def predicted(name: str, cell: Cell) -> Path:
    """Which training and annotations a cell's predictions are of. Filed by neck, as per_class()
    is."""
    return Path("predictions") / cell.neck / f"{name}.json"
