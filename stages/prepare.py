"""Stage prepare: writes train, val and test annotations with ids from 1 and a report of the data.

Run alone: python -m stages.prepare
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from stages.data import coco, demo, split
from stages.files import replacing
from stages.program import InputError, run
from stages.study import params, paths
from stages.study.params import Data

log = logging.getLogger(__name__)


def main() -> None:
    """Raises InputError with the path and the remedy before anything is written."""
    study = params.load()
    if study.data.source == "demo":
        root = paths.PREPARED / "images"
        sets, changes = render_demo(study.data, root, study.seed), {}
    else:
        root = Path(study.data.root)
        sets, changes = read_coco(study.data, root, study.seed)
    classes = coco.class_names(sets["train"])
    paths.PREPARED.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "source": study.data.source, "image_root": root.as_posix(), "classes": classes, "changes": changes,
        "warnings": [], "splits": {}}
    for name, content in sets.items():
        content["info"] = {
            "description": f"{name} split, prepared from {study.data.source}",
            "image_root": root.as_posix(),
            # Later stages depend on this file and not on the images: their bytes must show in it.
            "images_digest": digest(root, [image["file_name"] for image in content["images"]]),
        }
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
        with replacing(paths.annotations(name)) as beside:
            beside.write_text(text, encoding="utf-8")
        counts = coco.summary(content)
        report["splits"][name] = {**counts, "digest": hashlib.sha256(text.encode()).hexdigest()}
        absent = [label for label, boxes in counts["classes"].items() if not boxes]
        report["warnings"] += [f"{name}: no box of class {label}" for label in absent]
        log.info("%s: %d images, %d boxes", name, counts["images"], counts["boxes"])
    joined = "".join(part["digest"] for part in report["splits"].values())
    report["digest"] = hashlib.sha256(joined.encode()).hexdigest()
    with replacing(paths.PREPARED / "report.json") as beside:
        beside.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for file, counted in changes.items():
        for what, count in counted.items():
            if count:
                log.info("%s: %s: %d", file, what, count)
    for line in report["warnings"]:
        log.warning("%s", line)


def render_demo(data: Data, folder: Path, seed: int) -> dict[str, dict[str, Any]]:
    """The three demo splits, rendered under `folder`."""
    sets = {}
    for index, name in enumerate(paths.SPLITS):
        own_seed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
        content = demo.render(folder / name, getattr(data.demo_images, name), data.demo_image_size, own_seed)
        for image in content["images"]:
            image["file_name"] = f"{name}/{image['file_name']}"
        sets[name] = content
    return sets


def read_coco(data: Data, root: Path, seed: int) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, int]]]:
    """The three splits of the annotation files under data.root, and what was changed in each file."""
    if not root.is_dir():
        raise InputError(f"data.root: no folder {root}; set it to the folder of your images and annotation files")
    changes = {}

    def load(source: params.Source, classes: list[str] | None) -> dict[str, Any]:
        path = root / source.annotations
        content = coco.read(path)
        names = classes or coco.class_names(content)
        content, changes[source.annotations] = coco.renumber(content, path, names, source.images)
        check_images(root, content, path)
        return content

    sets = {"train": load(data.train, None)}
    classes = coco.class_names(sets["train"])
    for name, share in (("test", data.test_share), ("val", data.val_share)):
        source = getattr(data, name)
        if source.annotations:
            sets[name] = load(source, classes)
        else:
            # The first cut leaves less for the second: 15 % of all is 15/85 of the rest.
            left = 1 - data.test_share if name == "val" and not data.test.annotations else 1
            kept, held = split.hold_out(sets["train"], share / left, seed)
            sets[name], sets["train"] = coco.subset(sets["train"], held), coco.subset(sets["train"], kept)
    return {name: sets[name] for name in paths.SPLITS}, changes


def check_images(root: Path, content: dict[str, Any], path: Path) -> None:
    """Raises InputError where image files are missing, before a training finds out."""
    missing = [image["file_name"] for image in content["images"] if not (root / image["file_name"]).is_file()]
    if missing:
        raise InputError(f"{root / missing[0]}: no such image, and {len(missing) - 1} more of the "
                         f"{len(content['images'])} that {path.name} names; check data.root and the split's images "
                         "folder in params.yaml")


def digest(root: Path, names: list[str]) -> str:
    """One hash over the names and bytes of the image files."""
    total = hashlib.sha256()
    for name in tqdm(names, desc="hashing images", unit="image", delay=2, leave=False):
        total.update(name.encode() + hashlib.sha256((root / name).read_bytes()).digest())
    return total.hexdigest()


if __name__ == "__main__":
    run(main, "prepare")
