"""Published numbers: the study's, shown beside ours where the scale is its own, and MMDetection's on COCO."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from stages.report.results import ROW_KEYS, CellResult

SOURCE = Path(__file__).with_name("published.csv")
# What the study started from: configs/faster_rcnn and configs/pafpn of MMDetection's model zoo (GB of GPU memory in
# training, images a second, box AP in points of a hundred on COCO val2017).
ZOO = Path(__file__).with_name("zoo.csv")
ZOO_COLUMNS = ("detector", "backbone", "neck", "schedule", "training memory, GB", "images/s", "AP on COCO")
KEYS = ("train_loss", "val_bbox_mAP_50", "test_bbox_mAP_50")


@dataclass(frozen=True)
class Published:
    """One published number; `from_chart` is true where it was read off a chart, not printed in a table."""

    value: float
    from_chart: bool

    @property
    def text(self) -> str:
        return f"{'~' if self.from_chart else ''}{self.value:g}"


def load_published(path: Path = SOURCE) -> dict[tuple[str, ...], dict[str, Published]]:
    """Published numbers by row (ROW_KEYS as text). In the file "~" is a chart reading, "-" an absent one."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {
            tuple(row[key] for key in ROW_KEYS): {
                key: Published(float(row[key].lstrip("~")), row[key].startswith("~"))
                for key in KEYS
                if row[key] != "-"
            }
            for row in csv.DictReader(stream)
        }


def published_of(
    cell: CellResult, table: dict[tuple[str, ...], dict[str, Published]]
) -> dict[str, Published]:
    """The numbers of the row that `cell` repeats; empty for a row that the study did not print."""
    return table.get(tuple(str(cell.row[key]) for key in ROW_KEYS), {})


def load_zoo(path: Path = ZOO) -> list[list[str]]:
    """The rows of ZOO_COLUMNS as they were published; "-" is an absent one."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))[1:]
