"""Stage train: trains one cell with MMEngine's Runner and records how it went, on disk and in
MLflow.

A training that was interrupted, whatever by, goes on where it was when it is started again.

Run alone: python -m stages.train faster_rcnn-r50-fpn-sgd-512
"""

from __future__ import annotations

from stages.program import run
from stages.safety import guard


def main(name: str) -> None:
    """Writes models/<cell>/{config.py, best.pth, last.pth} and history.csv and run.json under
    metrics/.

    What decides the weights is in the cell's file, in stages/training, stages/scoring and
    stages/model/ops; all around it, from locks to MLflow, is in stages/safety and stages/tracking
    and changes no bit.

    Raises StudyError for an unknown cell, InputError for missing data or weights, a lost second
    writer, a diverging loss or too little memory.
    """
    guard.main(name)


if __name__ == "__main__":
    run(main, "train", "CELL")
