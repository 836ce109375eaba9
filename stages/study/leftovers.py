"""What rows that params.yaml no longer has, or that moved to another backbone or neck, have left
behind.

DVC keeps the outs of stages that are gone, in the folder and in its cache, and depends on metrics/
with them in it.
"""

from __future__ import annotations

import itertools
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
    by_row: dict[str, list[Path]] = {}
    for pattern in _PATTERNS:
        for file in sorted(root.glob(pattern)):
            path = file.relative_to(root)
            if path not in expected and path not in by_row.get(_cell_of(path), ()):
                by_row.setdefault(_cell_of(path), []).append(path)
    return by_row


def summary(by_row: Mapping[str, list[Path]], cells: Mapping[str, Cell]) -> str:
    """Which rows left files behind, and in which folders, as a line; "" where none did.

    Rows that are gone are told from those that are there and whose files moved.
    """
    if not by_row:
        return ""
    folders = set()
    for path in itertools.chain.from_iterable(by_row.values()):
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
        sentences.append(f"params.yaml no longer has {_listed(gone)}")
    if moved:
        sentences.append(f"the files of {_listed(moved)} have another place now")
    return (
        f"{', and '.join(sentences)}; files that were left behind are in {', '.join(sorted(folders))}: "
        "`make prune` deletes them, and DVC's cache keeps them for a row that comes back"
    )


def _listed(names: list[str]) -> str:
    """The first four names, and how many more there are."""
    listed = names[:4]
    if len(names) > len(listed):
        listed.append(f"{len(names) - len(listed)} more")
    return ", ".join(listed)


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
        *(paths.predictions(name, cell, split) for split in paths.EVALUATED),
        paths.predicted(name, cell),
        paths.weights(name),
    }


def _cell_of(path: Path) -> str:
    if path.stem in _FILES_OF_A_CELL:
        return path.parent.name
    return path.stem
