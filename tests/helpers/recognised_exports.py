"""Exports of annotation tools, built and recognised."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exports import READ, REFUSED, Export

from stages.data.discover import discover
from stages.study import params


@dataclass
class Recognised:
    """A set as data-check names it, for Outcome to prepare."""

    data: params.Data

    def write(self) -> None:
        """The export is on the disk already."""

    def params(self) -> dict[str, Any]:
        return dataclasses.asdict(self.data)


def recognise(root: Path) -> Recognised:
    study = params.load_study()
    # A fifth of six images is one.
    data = dataclasses.replace(
        study.data, val_share=0.2, test_share=0.2, pixels="header", rare_boxes=0
    )
    return Recognised(discover(root, data))


def build(name: str, folder: Path) -> Export:
    folder.mkdir(parents=True)
    export = Export(folder)
    (READ | REFUSED)[name].build(export)
    return export
