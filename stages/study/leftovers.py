"""What rows that params.yaml no longer has, or that moved to another backbone or neck, have left
behind.

DVC keeps the outs of stages that are gone, in the folder and in its cache, and depends on metrics/
with them in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stages.study import paths
from stages.study.params import ROOT, Cell

# What the stages write for a cell and nobody else does, below the project's folder. `*` is a name
# and no more.
_PATTERNS = (
    "models/*/config.py",
    "models/*/best.pth",
    "models/*/last.pth",
    "metrics/*/*/*/run.json",
    "metrics/*/*/*/history.csv",
    "metrics/*/*/*/details.json",
    "metrics/*/*/*/submission.csv",
    "metrics/*/*/*.json",
    "metrics/*/*.json",
    "predictions/*/*/*/val.json",
    "predictions/*/*/*/test.json",
    "predictions/*/*.json",
    "data/weights/*.safetensors",
    # Where they lay before predictions were filed by backbone and neck.
    "predictions/*/val.json",
    "predictions/*/test.json",
    "predictions/*/submission.csv",
)
_FILES_OF_A_CELL = {
    "config",
    "best",
    "last",
    "run",
    "history",
    "details",
    "submission",
    "val",
    "test",
}


def leftovers(cells: Mapping[str, Cell], root: Path = ROOT) -> dict[str, list[Path]]:
    """Name of a row that is gone -> its files, relative to `root`; also of a row's earlier backbone
    or neck."""
    expected = set()
    for name, cell in cells.items():
        expected |= _files_of(name, cell)
    found: dict[str, list[Path]] = {}
    for pattern in _PATTERNS:
        for file in sorted(root.glob(pattern)):
            path = file.relative_to(root)
            if path not in expected and path not in found.get(_cell_of(path), ()):
                found.setdefault(_cell_of(path), []).append(path)
    return found


def summary(found: Mapping[str, list[Path]], cells: Mapping[str, Cell]) -> str:
    """Which rows left files behind, and in which folders, as a line; "" where none did.

    Rows that are gone are told from those that are there and whose files moved.
    """
    if not found:
        return ""
    folders = set()
    for files in found.values():
        for path in files:
            folders.add(f"{path.parts[0]}/" if path.parts[0] != "data" else "data/weights/")
    current = set(cells)
    for cell in cells.values():
        # Weights were filed by backbone before each row had its own.
        current.add(cell.backbone)
    gone = sorted(set(found) - current)
    moved = sorted(set(found) & current)
    said = []
    if gone:
        said.append(f"params.yaml no longer has {_listed(gone)}")
    if moved:
        said.append(f"the files of {_listed(moved)} have another place now")
    return (
        f"{', and '.join(said)}; files that were left behind are in {', '.join(sorted(folders))}: "
        "`make prune` deletes them, and DVC's cache keeps them for a row that comes back"
    )


def _listed(names: list[str]) -> str:
    """The first four names, and how many more there are."""
    shown = names[:4]
    if len(names) > len(shown):
        shown.append(f"{len(names) - len(shown)} more")
    return ", ".join(shown)


def _files_of(name: str, cell: Cell) -> set[Path]:
    model = paths.model(name)
    record = paths.record(name, cell)
    return {
        *(model / file for file in ("config.py", "best.pth", "last.pth")),
        *(record / file for file in ("run.json", "history.csv")),
        paths.details(name, cell),
        paths.submission(name, cell),
        paths.metrics(name, cell),
        paths.per_class(name, cell),
        *(paths.predictions(name, cell, split) for split in ("val", "test")),
        paths.predicted(name, cell),
        paths.weights(name),
    }


def _cell_of(path: Path) -> str:
    return path.parent.name if path.stem in _FILES_OF_A_CELL else path.stem
