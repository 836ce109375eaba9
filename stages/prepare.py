"""Stage prepare: checks the data, makes the splits, and says what it found and did.

Run alone: python -m stages.prepare
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from stages.data.catalogue import CHECKS
from stages.data.checks.splits import check_boxes_per_class, check_folds, check_shares
from stages.data.demo.render import render_demo
from stages.data.findings import Findings
from stages.data.labels import Labels
from stages.data.load import check_annotations, read_annotations
from stages.data.page.page import write_page
from stages.data.sources.annotations import Raw
from stages.data.split import balance, divide, strata, train_order
from stages.data.trackable import obstacle
from stages.files import replacing, sha256, write_json, write_text
from stages.program import InputError, run
from stages.study import group_metrics, names, params, paths
from stages.study.counts import count
from stages.study.metrics import MAX_DETECTIONS
from stages.study.params import Data
from stages.tracking import cells, store, upload

log = logging.getLogger(__name__)


def main() -> None:
    """Writes data/prepared/. Raises InputError for what the policy calls fatal, and StudyError for
    a metric of a class that the data has not, once the report of it is written."""
    study = params.load_study()
    report = prepare(study.data, study.seed, paths.PREPARED)
    upload.send_contents(
        cells.of_data_report(report, paths.PREPARED, names.tags(study)), store.DATA
    )
    group_metrics.check_classes(study, report["classes"])
    lines = group_metrics.too_few(study, report["splits"])
    for line in [*lines, *_not_noticed(report)]:
        log.warning("%s", line)


def _not_noticed(report: dict[str, Any]) -> list[str]:
    """Changes of images that start no stage."""
    lines = []
    if report["pixels"] == "none" and report["source"] != "demo":
        lines.append(
            "data.pixels is none: images are not read, so nothing trains again when one is "
            "changed; data.pixels: header would notice"
        )
    for finding in report["findings"]:
        if finding["code"] == "path_link_outside" and finding["action"] == "kept":
            lines.append(
                "path_link_outside: DVC does not look into a folder that is a link, and does not "
                "tell when an image in it is changed; then run dvc repro --force prepare"
            )
    return lines


def prepare(data: Data, seed: int, folder: Path) -> dict[str, Any]:
    """Writes train.json, val.json, test.json, order.json, folds.json, report.json, report.html and
    changes.csv into `folder`, and train.json, val.json and order.json of every other fold than
    data.fold into folds/<fold>/ in it.

    Returns the report. Raises InputError: at once where nothing can be read, and after the report
    where a finding is fatal; the splits are then not written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(data.root)
    if data.source == "demo":
        root = folder / "images"
    elif not root.is_dir():
        raise InputError(
            f"data.root: no folder {root}; set it to the folder of your images and annotation files"
        )
    line = obstacle(root)
    if line:
        log.warning("%s", line)
    report: dict[str, Any] = {
        "name": data.display_name,
        "source": data.source,
        "image_root": root.as_posix(),
        "pixels": data.pixels,
        "max_detections": data.max_detections,
        "classes": [],
        "files": [],
        "findings": [],
        "changes": {},
        "splits": {},
        "balance": {},
        "groups": {},
        "digest": None,
        "stopped": None,
    }
    sets: dict[str, Labels] = {}
    folds: dict[int, dict[str, Labels]] = {}
    stopped: InputError | None = None
    with replacing(folder / "changes.csv") as temporary:
        findings = Findings(data.policy, temporary)
        try:
            loaded = check_annotations(read_set(data, root, seed, findings), data, root, findings)
            report["classes"] = loaded.sets["train"].classes
            report.update(files=loaded.files, groups=loaded.groups)
            check_not_empty(loaded.sets, root, findings)
            divided = divide(loaded.sets, data, seed)
            report["balance"] = balance(divided.sets, divided.shares)
            check_shares(divided.sets, divided.shares, findings)
            check_boxes_per_class(divided.sets, data.rare_boxes, findings)
            check_folds(divided.folds, findings)
            findings.stop_if_fatal()
            sets, folds = divided.sets, divided.folds
        except InputError as error:
            stopped = error
            report["stopped"] = str(error)
            # Splits of an earlier call are not those of this report.
            for name in paths.SPLITS:
                (folder / f"{name}.json").unlink(missing_ok=True)
        findings.close()
        report["findings"] = findings.as_list()
        report["changes"] = {"file": "changes.csv", "rows": findings.changed}
    report["splits"] = write_splits(sets, report, seed, folder)
    shutil.rmtree(folder / "folds", ignore_errors=True)
    # What a training on a fold depends on: the digests of its splits.
    digests: dict[int, dict[str, str]] = {}
    for fold, parts in folds.items():
        summaries = write_splits(parts, report, seed, folder / "folds" / str(fold))
        digests[fold] = {name: summary["digest"] for name, summary in summaries.items()}
    write_json(folder / "folds.json", digests)
    if sets:
        joined = "".join(part["digest"] for part in report["splits"].values())
        report["digest"] = hashlib.sha256(joined.encode()).hexdigest()
    write_json(folder / "report.json", report)
    write_page(report, sets, root, folder / "report.html")
    log_report(report, folder)
    if stopped:
        raise stopped
    return report


def read_set(data: Data, root: Path, seed: int, findings: Findings) -> list[Raw]:
    """The annotation files as found, or the three demo splits, rendered under `root`."""
    if data.source != "demo":
        return read_annotations(data, root, findings)
    raws = []
    for index, name in enumerate(paths.SPLITS):
        own_seed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
        images = getattr(data.demo_images, name)
        content = render_demo(root / name, images, data.demo_image_size, own_seed)
        raws.append(Raw(name, f"demo {name}", name, **content, coco=True))
    return raws


def check_not_empty(sets: dict[str, Labels], root: Path, findings: Findings) -> None:
    """Raises InputError where the checks left nothing to train on, to compare with or to test on,
    with the reason that took most."""
    findings.stop_if_fatal()
    for name, labels in sets.items():
        if not len(labels.images):
            missing = "image"
        # A test set may be without labels.
        elif not len(labels.boxes) and name != "test":
            missing = "box"
        elif name != "test" and (labels.boxes["iscrowd"] == 1).all():
            raise InputError(
                f"data: all {len(labels.boxes)} boxes of the {name} files under {root} are crowds "
                "(iscrowd 1, ignore, or difficult 1 of VOC), which are neither learnt nor scored; "
                "set iscrowd, ignore and difficult to 0 for objects"
            )
        else:
            continue
        message = f"data: no {missing} of the {name} files under {root} is left"
        dropped = [entry for entry in findings.as_list() if entry["action"] == "dropped"]
        if dropped:
            message += _most_dropped(max(dropped, key=lambda entry: entry["count"]))
        raise InputError(message)


def _most_dropped(finding: dict[str, Any]) -> str:
    """What a finding took, with the first name of it and the policy that would have kept it."""
    place = finding["examples"][0]
    name = place["before"] or place["file"] or place["entry"] or place["source"]
    policy = ""
    if "keep" in CHECKS[finding["code"]].actions:
        policy = f" Or set data.policy.{finding['code']} to keep."
    return f": {finding['code']} {finding['count']} times, first {name}. {finding['help']}{policy}"


def write_splits(
    sets: dict[str, Labels], report: dict[str, Any], seed: int, folder: Path
) -> dict[str, dict[str, Any]]:
    """Writes the COCO file of each split and the order of the train images into `folder`; returns
    the splits' counts and digests."""
    folder.mkdir(parents=True, exist_ok=True)
    summaries = {}
    for name, part in sets.items():
        info: dict[str, Any] = {
            "description": f"{name} split, prepared from {report['source']}",
            "source": report["source"],
            "image_root": report["image_root"],
        }
        # What the scores of this split count. COCO's own number goes without saying.
        if report["max_detections"] != MAX_DETECTIONS:
            info["max_detections"] = report["max_detections"]
        # Later stages depend on this file and not on the images: their bytes must show in it.
        info["images_digest"] = _images_digest(part)
        path = folder / f"{name}.json"
        part.write_coco(path, info)
        labelled = name != "test" or len(part.boxes) > 0
        summaries[name] = {**part.summary(), "labelled": labelled, "digest": sha256(path)}
    if sets:
        _write_order(sets["train"], seed, folder / "order.json")
    return summaries


def _images_digest(part: Labels) -> str | None:
    """SHA-256 over the names and the files of a split's images; None where no image was read."""
    total = hashlib.sha256()
    for file, probe in zip(part.images["file_name"], part.images["probe"]):
        if probe is None:
            return None
        total.update(file.encode() + probe.digest)
    return total.hexdigest()


def _write_order(part: Labels, seed: int, path: Path) -> None:
    """Writes the ids of the train images in the order in which a train_share takes them, a list for
    each group."""
    numbers = part.images["group_number"].to_numpy()
    ids = []
    for rows in train_order(strata(part), numbers, seed):
        ids.append([row + 1 for row in rows])
    write_text(path, json.dumps(ids))


def log_report(report: dict[str, Any], folder: Path) -> None:
    """The report in a few lines."""
    for name, part in report["splits"].items():
        images, boxes = count(part["images"], "images"), count(part["boxes"], "boxes")
        log.info("%s: %s, %s", name, images, boxes)
    for finding in report["findings"]:
        if finding["severity"] == "info":
            continue
        level = logging.WARNING
        if finding["action"] == "repaired":
            level = logging.INFO
        words = (finding[key] for key in ("code", "title", "count", "action"))
        log.log(level, "%s: %s, %d %s", *words)
    log.info("%s", folder / "report.html")


if __name__ == "__main__":
    run(main, "prepare")
