"""Runs prepare on a broken set and reads what it left."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from broken_sets.base import Boxes, BrokenSet
from stages import prepare
from stages.errors import InputError
from stages.study import params, strict


class Outcome:
    """What prepare left in its folder. The page takes longer than all the rest, so it is only noted where it would be
    written; `page` has it drawn."""

    def __init__(
        self,
        broken: BrokenSet,
        folder: Path,
        policy: dict[str, str] | None = None,
        page: bool = False,
    ) -> None:
        broken.write()
        data = strict.validate(params.Data, {**broken.params(), "policy": policy or {}}, "data")
        self.folder, self.error = folder, ""
        self.pages: list[Path] = []
        # No power cut is tested here, and waiting for the disk would take half of the time.
        with (
            patch("os.fsync"),
            patch.object(prepare, "write_page", prepare.write_page if page else self._note),
        ):
            try:
                prepare.prepare(data, 0, folder)
            except InputError as error:
                self.error = str(error)
        # A report is there whatever happened, and it is JSON: no NaN in it.
        self.report = json.loads(
            (folder / "report.json").read_text(encoding="utf-8"), parse_constant=_refuse
        )
        self.found: dict[str, dict[str, Any]] = {
            finding["code"]: finding for finding in self.report["findings"]
        }
        with (folder / "changes.csv").open(encoding="utf-8", newline="") as file:
            self.changes = list(csv.DictReader(file))

    def _note(self, report: dict, sets: dict, root: Path, path: Path) -> None:
        self.pages.append(path)

    def splits(self) -> dict[str, Any]:
        return {
            split: json.loads(
                (self.folder / f"{split}.json").read_text(encoding="utf-8"), parse_constant=_refuse
            )
            for split in ("train", "val", "test")
        }

    def boxes(self) -> Boxes:
        """By file, as BrokenSet.expected. Fails where an image is in two splits, or ids do not count from 1."""
        boxes: Boxes = {}
        for content in self.splits().values():
            for key in ("images", "annotations", "categories"):
                assert [entry["id"] for entry in content[key]] == list(
                    range(1, len(content[key]) + 1)
                )
            names = {entry["id"]: entry["name"] for entry in content["categories"]}
            files = {entry["id"]: entry["file_name"] for entry in content["images"]}
            assert len(set(files.values())) == len(files) and not boxes.keys() & set(files.values())
            boxes.update({file: [] for file in files.values()})
            for entry in content["annotations"]:
                boxes[files[entry["image_id"]]].append(
                    (
                        names[entry["category_id"]],
                        *(round(float(side), 6) for side in (*entry["bbox"], entry["area"])),
                    )
                )
        return {file: sorted(found) for file, found in boxes.items()}


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")
