"""Which finished trainings DVC would run again for nothing but changed code that decides bits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import dvc_command
from stages.errors import InputError
from stages.files import md5, read_json
from stages.model import config_file
from stages.study import paths, yaml_text
from stages.study.params import Study
from stages.tracking.provenance import DECIDING
from stages.training import cell_file

LOCK = Path("stages/dvc.lock")
# What a config.py of before the cells' files has and they have not: it decides nothing, or the code
# did it then.
_LEFT_OUT = ("log_level", "log_processor", "custom_imports", "custom_hooks", "training")
# What decides bits and no run.json of that time has; dvc.lock has its scale's block.
_OF_THE_SCALE = {
    "threads": None,
    "processes": 1,
    "channels_last": False,
    "tf32": False,
    "compile": False,
}


@dataclass(frozen=True)
class Stale:
    """A finished cell of which nothing but code has changed. record: its run.json."""

    name: str
    record: dict[str, Any]
    cell: cell_file.ResolvedCell


def find_stale(study: Study) -> list[Stale]:
    """The stale cells that are selected, in the order of params.yaml.

    Raises InputError where results are missing, or anything but the code of DECIDING has changed.
    """
    if not LOCK.is_file():
        raise InputError(f"{LOCK}: nothing has been trained here; run dvc repro")
    stages = yaml_text.loads(LOCK.read_text(encoding="utf-8"))["stages"]
    trained = {
        f"stages/dvc.yaml:train@{name}": name
        for name in study.selected()
        if f"train@{name}" in stages
    }
    if not trained:
        return []
    status = dvc_command.dvc_status(*trained)
    cells = []
    for address, name in trained.items():
        if address in status:
            _check(name, status[address], stages[f"train@{name}"])
            resolved = cell_file.read(paths.cell(name))
            record = read_json(paths.record(name, study.cell(name)) / "run.json")
            _check_config(name, resolved, record, stages[f"train@{name}"])
            cells.append(Stale(name, record, resolved))
    return cells


def _check(name: str, changes: list[Any], lock: dict[str, Any]) -> None:
    """changes: what `dvc status --json` says of the stage."""
    before = {entry["path"]: entry["md5"] for entry in lock["deps"]}
    # A graph of before the cells' files has other names for the same.
    renamed = set()
    if str(paths.cell(name)) not in before:
        renamed.add(str(paths.cell(name)))
    weights = str(paths.weights(name))
    for path, digest in before.items():
        is_weights = path.startswith(f"{paths.WEIGHTS}/") and weights not in before
        if is_weights and digest == md5(Path(weights)):
            renamed.add(weights)
    for change in changes:
        if not isinstance(change, dict):
            raise InputError(f"train@{name}: {change}; only a change of code can be accepted")
        if "changed outs" in change:
            outs = ", ".join(change["changed outs"])
            raise InputError(f"{outs}: not as {name} was trained; run dvc checkout first")
        for path in change.get("changed deps", {}):
            if path not in DECIDING and path not in renamed:
                raise InputError(
                    f"{path}: has changed since {name} was trained; only a change of code can be "
                    "accepted. dvc repro trains the cell"
                )


def _check_config(
    name: str, cell: cell_file.ResolvedCell, record: dict[str, Any], lock: dict[str, Any]
) -> None:
    """Raises InputError where the cell's file is not what the finished training was made with."""
    then = _comparable(config_file.read_config(paths.model(name) / "config.py").to_dict())
    now = _comparable(cell.config.to_dict())
    different = sorted(key for key in {*then, *now} if then.get(key) != now.get(key))
    for key in cell.training:
        if key in record and record[key] != cell.training[key]:
            different.append(key)
    for entry in lock.get("params", {}).values():
        block = entry.get(f"scales.{cell.training['scale']}", {})
        for key, usual in _OF_THE_SCALE.items():
            if block and block.get(key, usual) != cell.training[key]:
                different.append(key)
    if different:
        raise InputError(
            f"{name}: was trained with another {', '.join(different)}; only a change of code can "
            "be accepted. dvc repro trains the cell"
        )


def _comparable(config: dict[str, Any]) -> dict[str, Any]:
    values = json.loads(json.dumps(config))
    hooks = values.get("custom_hooks", [])
    for key in _LEFT_OUT:
        values.pop(key, None)
    values["custom_hooks"] = [
        hook for hook in hooks if hook["type"] in ("EMAHook", "EarlyStoppingHook")
    ]
    values["default_hooks"].pop("logger", None)
    for split in paths.SPLITS:
        for key in ("num_workers", "persistent_workers"):
            values[f"{split}_dataloader"].pop(key, None)
    return values


Feature = tuple[str, ...]


def features(stale: Stale) -> set[Feature]:
    """What a trial of the cell shows for other cells: its detector with its optimizer, the class of
    its backbone, on which hooks of ours depend, each hook that its file names, and whether an
    optimizer step sums several passes; all of the code that trained it."""
    code = stale.record["code_digest"]
    training = stale.cell.training
    names = {(code, training["detector"], training["optimizer"])}
    names.add((code, stale.cell.config.model.backbone.type))
    for hook in stale.cell.config.get("custom_hooks", ()):
        names.add((code, hook["type"]))
    if training["batch_size"] > training["device_batch"] * training["processes"]:
        names.add((code, "sums passes"))
    return names


def choose_trials(cells: Sequence[Stale]) -> list[Stale]:
    """Few small cells that have each feature of `cells` between them: for the rarest feature the
    smallest cell that has it, and so on with what is still missing."""
    counts = Counter()
    for cell in cells:
        counts.update(features(cell))
    chosen: list[Stale] = []
    covered: set[Feature] = set()
    for feature in sorted(counts, key=lambda feature: (counts[feature], feature)):
        if feature not in covered:
            cell = min((cell for cell in cells if feature in features(cell)), key=_size)
            chosen.append(cell)
            covered |= features(cell)
    return chosen


def _size(stale: Stale) -> int:
    return stale.record["parameters"] * stale.cell.training["image_size"] ** 2
