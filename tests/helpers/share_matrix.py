"""A made matrix with a learning curve: a quarter, a half and all of the training images, and a bigger backbone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from made_matrix import load, row, study_of, write_cell, write_truth

from stages.results.cell import CellResult
from stages.verdict.judgement import Judgement
from stages.verdict.matrix import conclude

ROWS = {
    "row-quarter": row("r50", train_share=0.25),
    "row-half": row("r50", train_share=0.5),
    "row-whole": row("r50"),
    "row-bigger": row("r101"),
}
# Row -> its training images, and the share of the boxes that it finds.
MADE = {
    "row-quarter": (60, 0.4),
    "row-half": (120, 0.6),
    "row-whole": (240, 0.75),
    "row-bigger": (240, 0.85),
}
NAMES = {
    "row-quarter": "1/4 of r50",
    "row-half": "1/2 of r50",
    "row-whole": "all of r50",
    "row-bigger": "r101",
}


def concluded(root: Path) -> tuple[list[CellResult], Judgement]:
    """The cells, and the judgement of them, which finds the four rows' curve."""
    for split in ("val", "test"):
        write_truth(root, split)
    for number, (name, (images, quality)) in enumerate(MADE.items()):
        run = {"train_images": images, "epochs": 30}
        write_cell(root, name, ROWS[name], quality, seed=number, run=run)
    cells = []
    for cell in load(root, ROWS):
        steps = {"iterations": 30 * MADE[cell.name][0] // 4}
        cells.append(dataclasses.replace(cell, run=cell.run | steps))
    judgement = conclude(study_of(ROWS), cells, root=root)
    return cells, dataclasses.replace(judgement, names=NAMES)
