"""params.yaml, read and checked across its keys: names, batches, milestones, the selection."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from stages.study import group_metrics, names, yaml_text
from stages.study.metrics import METRICS
from stages.study.schema import (
    PARTS,
    ROOT,
    Cell,
    Data,
    Hypothesis,
    Scale,
    Source,
    Study,
    Verdicts,
    Weights,
)
from stages.study.strict import StudyError, validate

# What the rest of the project takes from here, the dataclasses too.
__all__ = [
    "PARTS",
    "ROOT",
    "Cell",
    "Data",
    "Hypothesis",
    "Scale",
    "Source",
    "Study",
    "StudyError",
    "Verdicts",
    "Weights",
    "known",
    "levels",
    "load_study",
]


def load_study(path: Path = ROOT / "params.yaml") -> Study:
    """Reads and checks the whole study. Raises StudyError: one line with the key and what is
    allowed."""
    try:
        values = yaml_text.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"{path.name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StudyError(
            f"{path.name}: byte {error.start} is not UTF-8; save it in that encoding"
        ) from None
    except yaml_text.UnreadableYaml as error:
        raise StudyError(f"{path.name}: {error}") from None
    study: Study = validate(Study, values, "")
    check_study(study)
    return study


def known(part: str, root: Path = ROOT) -> list[str]:
    """The fragments there are: `known("backbones")` lists configs/backbones/*.py by name."""
    return sorted(path.stem for path in (root / "configs" / part).glob("*.py"))


def levels(study: Study) -> dict[str, list[str | int]]:
    """Factor -> the levels that a hypothesis may name: the fragments there are, and the image sizes
    of the cells."""
    parts: dict[str, list[str | int]] = {part: list(known(part + "s")) for part in PARTS}
    return {**parts, "image_size": sorted({cell.image_size for cell in study.cells.values()})}


def check_study(study: Study) -> None:
    """Raises StudyError for what the types of params.yaml cannot say: one line with the key and the
    remedy."""
    if study.scale not in study.scales:
        problem = f"scale: {study.scale!r} has no block under scales"
        raise StudyError(f"{problem}; there are: {', '.join(study.scales)}")
    _check_cases(study)
    if not study.cells:
        raise StudyError(
            "cells: no cell is listed; add a row such as "
            "{detector: faster_rcnn, backbone: r50, ...}"
        )
    names.check_study_name(study.study)
    check_data(study.data)
    parts = {part: known(part + "s") for part in PARTS}
    for name, scale in study.scales.items():
        _check_milestones(scale.milestones, scale.epochs, f"scales.{name}.milestones")
        for optimizer in scale.lr:
            _check_part(
                f"scales.{name}.lr.{optimizer}: unknown optimizer", optimizer, parts["optimizer"]
            )
    for name, backbone in study.backbones.items():
        names.check_key("backbones", name)
        _check_part(f"backbones.{name}: no configs/backbones/{name}.py", name, parts["backbone"])
        weights = backbone.weights
        if weights and not re.fullmatch(r"[0-9a-fA-F]{8,64}", weights.sha256 or "0" * 8):
            raise StudyError(
                f"backbones.{name}.weights.sha256: {weights.sha256!r} is not 8 to 64 hex digits"
            )
    for name, cell in study.cells.items():
        _check_row(study, name, cell, parts)
    _check_twins(study)
    _check_metric(study.verdicts.metric)
    _check_selection(study, parts)


def _check_cases(study: Study) -> None:
    """Raises StudyError where rows have one name but for its case: one folder on macOS."""
    lowered: dict[str, str] = {}
    for name in study.cells:
        twin = lowered.setdefault(name.lower(), name)
        if twin != name:
            raise StudyError(
                f"cells.{name}: differs from {twin} by case only, and both would be one folder on "
                "macOS and Windows; give it another name"
            )


def _check_part(problem: str, name: str, fragments: list[str]) -> None:
    if name not in fragments:
        raise StudyError(f"{problem}; there are: {', '.join(fragments)}")


def _check_row(study: Study, name: str, cell: Cell, parts: dict[str, list[str]]) -> None:
    needed = study.training.weights != "none" and cell.backbone in parts["backbone"]
    if needed and cell.backbone not in study.backbones:
        raise StudyError(
            f"backbones.{cell.backbone}: missing, and cell {name} uses it; add its weights, or "
            f"`{cell.backbone}: {{weights: null}}` to train it from random ones"
        )
    names.check_key("cells", name)
    for part, fragments in parts.items():
        level = getattr(cell, part)
        _check_part(f"cells.{name}.{part}: unknown {part} {level!r}", level, fragments)
    if cell.lr is None and cell.optimizer not in study.training.lr:
        raise StudyError(f"scales.{study.scale}.lr.{cell.optimizer}: missing; cell {name} needs it")
    _check_batch(study, name, cell)
    if cell.fold is not None and cell.fold >= study.data.folds:
        raise StudyError(
            f"cells.{name}.fold: {cell.fold} is not one of {study.data.folds} folds, which "
            "count from 0; data.folds is their number"
        )
    if cell.epochs is not None:
        _check_milestones(study.training.milestones, cell.epochs, f"cells.{name}.epochs")


def _check_twins(study: Study) -> None:
    # Rows that differ in the seed and the fold alone are repeats of a cell.
    twins: dict[Cell, str] = {}
    for name, cell in study.cells.items():
        scale = study.training
        row = dataclasses.replace(
            cell,
            seed=study.seed_of(cell),
            fold=study.fold_of(cell),
            lr=scale.lr[cell.optimizer] if cell.lr is None else cell.lr,
            epochs=cell.epochs or scale.epochs,
            batch_size=cell.batch_size or scale.batch_size,
        )
        if row in twins:
            raise StudyError(
                f"cells.{name}: the same row as {twins[row]}; remove one, or give it another seed or "
                "fold"
            )
        twins[row] = name


def _check_metric(metric: str) -> None:
    # Chosen on val; test is kept to confirm the choice.
    allowed = [f"val/{name}" for name in METRICS]
    group = group_metrics.parse_group_metric(metric)
    if metric not in allowed and not (group and group.split == "val"):
        raise StudyError(
            f"verdicts.metric: {metric!r} cannot decide; choose one of {', '.join(allowed)}, "
            f"{group_metrics.FORMS}"
        )


def _check_batch(study: Study, name: str, cell: Cell) -> None:
    """One optimizer step must be a whole number of passes over all processes."""
    batch = cell.batch_size or study.training.batch_size
    per_pass = cell.device_batch
    if per_pass is None:
        per_pass = study.training.device_batch
    per_pass = per_pass or batch
    processes = divisor = study.training.processes
    # Of a pass that holds the whole batch, each process takes a part.
    if per_pass < batch:
        divisor *= per_pass
    if batch % divisor:
        raise StudyError(
            f"cells.{name}: a batch_size of {batch} is not a multiple of device_batch {per_pass} x "
            f"processes {processes}; an optimizer step must see whole passes"
        )


def check_data(data: Data) -> None:
    names.check_data_set(data.name)
    if data.source != "demo" and not data.root.strip():
        raise StudyError("data.root: empty; name the folder of your images and annotation files")
    if data.root.startswith("~"):
        raise StudyError(
            f"data.root: {data.root!r}: ~ stands for your home folder in a shell alone; write "
            f"{Path(data.root).expanduser()}"
        )
    if data.val_share + data.test_share >= 1 and not (data.val.files or data.test.files):
        raise StudyError(
            f"data.val_share, data.test_share: {data.val_share:g} and {data.test_share:g} leave no "
            "images to train on"
        )
    if data.source != "demo" and not data.train.files:
        raise StudyError(
            "data.train.annotations: empty; name the annotation file, or the folder of label files"
        )
    if data.fold >= data.folds:
        raise StudyError(
            f"data.fold: {data.fold} is not one of {data.folds} folds, which count from 0"
        )
    if data.folds > 1 and data.val.files:
        raise StudyError(
            "data.folds: val has annotation files of its own; set data.folds to 1 or "
            'data.val.annotations to ""'
        )
    if data.folds > 1 and data.source == "demo":
        raise StudyError(
            "data.folds: the demo set has val images of its own; folds are made of your own set"
        )


def _check_milestones(milestones: list[int], epochs: int, key: str) -> None:
    inside = all(1 <= milestone < epochs for milestone in milestones)
    if not inside or milestones != sorted(set(milestones)):
        remedy = ""
        if key.startswith("cells."):
            remedy = "; the scale's milestones hold for every row, and [] is none"
        raise StudyError(
            f"{key}: milestones {milestones} must rise and lie between 1 and {epochs - 1}, "
            f"before the last of {epochs} epochs{remedy}"
        )


def _check_selection(study: Study, parts: dict[str, list[str]]) -> None:
    for part in ("backbone", "neck"):
        listed = sorted({getattr(cell, part) for cell in study.cells.values()})
        chosen = getattr(study, part)
        if chosen and chosen not in listed:
            reason = "no cell uses it" if chosen in parts[part] else f"unknown {part}"
            raise StudyError(
                f'{part}: {chosen!r}: {reason}; the cells use: {", ".join(listed)} (or "" for all)'
            )
    if not study.selected():
        pairs = sorted({f"{cell.backbone} with {cell.neck}" for cell in study.cells.values()})
        raise StudyError(
            f"backbone, neck: no cell has {study.backbone} with {study.neck}; "
            f"there are: {', '.join(pairs)}"
        )
