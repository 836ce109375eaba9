"""Where each stage's files lie, relative to the project's folder, and which of them rows that are
gone have left there. dvc.yaml and stages/dvc.yaml name the same places."""

# Not `from __future__ import annotations`: a function has that name.
from collections.abc import Mapping
from pathlib import Path

from stages.study.counts import shortened
from stages.study.schema import ROOT, Cell

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
    """All that is known of a cell on val and test: describe() of stages/analyse.py."""
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


# Stands for a row's name where a file of any row is meant.
_ROW = "ROW"
# Where they lay before predictions were filed by backbone and neck.
_FORMER = (
    Path("predictions", _ROW, "val.json"),
    Path("predictions", _ROW, "test.json"),
    Path("predictions", _ROW, "submission.csv"),
)


def of_cell(name: str, cell: Cell) -> list[Path]:
    """All that train, predict, analyse and weights write for a cell, and nobody else does."""
    return [
        *(model(name) / file for file in ("config.py", "best.pth", "last.pth")),
        *(record(name, cell) / file for file in ("run.json", "history.csv")),
        details(name, cell),
        submission(name, cell),
        metrics(name, cell),
        per_class(name, cell),
        *(predictions(name, cell, split) for split in EVALUATED),
        predicted(name, cell),
        weights(name),
    ]


def leftovers(cells: Mapping[str, Cell], root: Path = ROOT) -> dict[str, list[Path]]:
    """Name of a row that is gone -> its files, relative to `root`; also of a row's earlier backbone
    or neck. DVC keeps the outs of stages that are gone, and depends on metrics/ with them in it."""
    # The files of rows that are there, and then those that were listed.
    visited = set()
    for name, cell in cells.items():
        visited.update(of_cell(name, cell))
    by_row: dict[str, list[Path]] = {}
    for form in (*_FORMER, *of_cell(_ROW, Cell("*", "*", "*", "*", image_size=32))):
        # A folder of the row, or a file that is called as it is.
        place = [part.partition(".")[0] for part in form.parts].index(_ROW)
        for file in sorted(root.glob(str(form).replace(_ROW, "*"))):
            path = file.relative_to(root)
            if path not in visited:
                visited.add(path)
                by_row.setdefault(Path(path.parts[place]).stem, []).append(path)
    return by_row


def leftovers_line(by_row: Mapping[str, list[Path]], cells: Mapping[str, Cell]) -> str:
    """Which rows left files behind, and in which folders, as a line; "" where none did.

    Rows that are gone are told from those that are there and whose files moved.
    """
    if not by_row:
        return ""
    folders = set()
    for files in by_row.values():
        for path in files:
            top = path.parts[0]
            folders.add("data/weights/" if top == "data" else f"{top}/")
    current = set(cells)
    for cell in cells.values():
        # Weights were filed by backbone before each row had its own.
        current.add(cell.backbone)
    gone = sorted(set(by_row) - current)
    moved = sorted(set(by_row) & current)
    sentences = []
    if gone:
        sentences.append(f"params.yaml no longer has {', '.join(shortened(gone, 4))}")
    if moved:
        listed = ", ".join(shortened(moved, 4))
        sentences.append(f"the files of {listed} have another place now")
    return (
        f"{', and '.join(sentences)}; files that were left behind are in {', '.join(sorted(folders))}: "
        "`make prune` deletes them, and DVC's cache keeps them for a row that comes back"
    )
