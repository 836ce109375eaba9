"""Finds out what kind of set lies in a folder, for a check before anybody writes params.yaml."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from stages.program import InputError
from stages.study.params import Data, Source

_NONE = Source("")
# Layouts that people use, and the study's: train.json beside test.json without labels.
_COCO = {"train": ("train.json", "annotations.json", "annotations/instances_train2017.json", "annotations/train.json"),
         "val": ("val.json", "valid.json", "annotations/instances_val2017.json", "annotations/val.json"),
         "test": ("test.json", "annotations/test.json")}
# Roboflow's export: one folder per split, each with its own file.
_BESIDE = "_annotations.coco.json"


def discover(root: Path, data: Data) -> Data:
    """`data` with the source, the root and the files that are there; its thresholds and policy stay.

    Raises InputError where the folder holds none of the known layouts.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the folder of your images and annotation files")
    found = _voc(root) or _yolo(root) or _coco(root)
    if found is None:
        raise InputError(f"{root}: neither COCO (*.json), VOC (Annotations/*.xml) nor YOLO (labels/ and images/); "
                         "set data in params.yaml and run python -m stages.prepare")
    source, sets = found
    empty = {"val": _NONE, "test": _NONE}
    return dataclasses.replace(data, source=source, root=str(root), folds=1, fold=0, **{**empty, **sets})


def _voc(root: Path) -> tuple[str, dict[str, Source]] | None:
    if not any((root / "Annotations").glob("*.xml")):
        return None
    images = next((name for name in ("JPEGImages", "images") if (root / name).is_dir()), "")
    lists = {split: f"ImageSets/Main/{split}.txt" for split in ("train", "val", "test")}
    if (root / lists["train"]).is_file():
        return "voc", {split: Source(name, images) for split, name in lists.items() if (root / name).is_file()}
    return "voc", {"train": Source("Annotations", images)}


def _yolo(root: Path) -> tuple[str, dict[str, Source]] | None:
    """Both layouts: labels/train beside images/train, and train/labels beside train/images."""
    names = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}
    sets = {}
    for split, folders in names.items():
        for folder in folders:
            for labels, images in ((f"labels/{folder}", f"images/{folder}"), (f"{folder}/labels", f"{folder}/images")):
                if (root / labels).is_dir() and (root / images).is_dir():
                    sets[split] = Source(labels, images)
    if "train" not in sets and any((root / "labels").glob("*.txt")) and (root / "images").is_dir():
        sets = {"train": Source("labels", "images")}
    return ("yolo", sets) if "train" in sets else None


def _coco(root: Path) -> tuple[str, dict[str, Source]] | None:
    sets = {}
    for split, names in _COCO.items():
        name = next((name for name in names if (root / name).is_file()), None)
        if name:
            sets[split] = Source(name, _image_folder(root, name))
        for folder in ("train",) if split == "train" else ("valid", "val") if split == "val" else ("test",):
            if (root / folder / _BESIDE).is_file():
                sets[split] = Source(f"{folder}/{_BESIDE}", folder)
    if "train" in sets:
        return "coco", sets
    # Anything else: all files that are COCO, as one set. Five folds beside each other are one.
    files = sorted(path.name for path in root.glob("*.json") if _is_coco(path))
    return ("coco", {"train": Source(files, _image_folder(root, files[0]))}) if files else None


def _is_coco(path: Path) -> bool:
    """Also for a file that is broken: the check is to say what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return True
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return True
    return isinstance(content, dict) and isinstance(content.get("images"), list)


def _image_folder(root: Path, name: str) -> str:
    """The folder from which the file's first image name leads to a file; "" where none does."""
    try:
        entries = json.loads((root / name).read_text(encoding="utf-8-sig"))["images"]
        file_name = str(entries[0]["file_name"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""
    stem = Path(name).stem.removeprefix("instances_")
    for folder in ("", "images", stem, f"images/{stem}", str(Path(name).parent)):
        if folder != "." and (root / folder / file_name).is_file():
            return folder
    return ""
