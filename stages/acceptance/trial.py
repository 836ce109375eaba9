"""A few steps of a cell with the code of a commit or of this folder, on a few images of its own data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stages.acceptance.stale import Stale
from stages.errors import InputError
from stages.study import paths, yaml_text
from stages.study.params import ROOT
from stages.tracking import checkout

# Optimizer steps of an epoch. Two epochs: the second one has another rate.
STEPS = 2
EPOCHS = 2
_VAL_IMAGES = 4


@dataclass(frozen=True)
class Outcome:
    """tensors: of the last checkpoint. history: history.csv."""

    tensors: dict[str, torch.Tensor]
    history: str


def worktree(commit: str, folder: Path) -> None:
    """The files of a commit. Raises InputError where there is no such commit here."""
    done = checkout.git(ROOT, "worktree", "add", "--quiet", "--detach", str(folder), commit.removesuffix("+changes"))
    if done is None or done.returncode:
        reason = "no git here" if done is None else " ".join(done.stderr.split())[:200]
        raise InputError(f"commit {commit}: cannot be checked out ({reason}); dvc repro trains the cells")


def remove_worktree(folder: Path) -> None:
    checkout.git(ROOT, "worktree", "remove", "--force", str(folder))
    shutil.rmtree(folder, ignore_errors=True)


def copy_code(folder: Path) -> None:
    """The code of this folder as it is, committed or not."""
    for part in ("stages", "configs"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "dvc.lock"))
    shutil.copy2(ROOT / "params.yaml", folder / "params.yaml")


def code_digest(folder: Path) -> str:
    """What the code of a folder takes for its own digest."""
    code = "from stages.tracking import provenance; print(provenance.code_digest())"
    return _python(folder, "-c", code).stdout.strip()


def run(stale: Stale, folder: Path) -> Outcome:
    """Trains the cell in a folder that has code. Raises InputError where that fails."""
    name = stale.name
    _write_params(stale, folder / "params.yaml")
    _write_data(stale, folder)
    weights = paths.weights(name)
    if weights.is_file():
        # A graph of before the cells' files has them by backbone.
        for target in (weights, paths.weights(stale.cell.training["backbone"])):
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(weights, folder / target)
    done = _python(folder, "-m", "stages.train", name)
    checkpoint = folder / paths.model(name) / "last.pth"
    if done.returncode or not checkpoint.is_file():
        said = (done.stderr or done.stdout).strip().splitlines()
        raise InputError(f"{name}: its trial in {folder} failed: {said[-1] if said else done.returncode}")
    tensors = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    [history] = folder.glob(f"metrics/*/*/{name}/history.csv")
    return Outcome(tensors, history.read_text(encoding="utf-8"))


def differences(then: Outcome, now: Outcome) -> list[str]:
    """What differs, by name; none where both ended in the same bits."""
    names = []
    for name in [*then.tensors, *(name for name in now.tensors if name not in then.tensors)]:
        before, after = then.tensors.get(name), now.tensors.get(name)
        if before is None or after is None or not _same(before, after):
            names.append(name)
    if not names and then.history != now.history:
        names.append("history.csv")
    return names


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)


def _write_params(stale: Stale, path: Path) -> None:
    """The params.yaml of the folder's own time, cut down to the cell; its row and its scale as they are now."""
    values = yaml_text.loads(path.read_text(encoding="utf-8"))
    current = yaml_text.loads((ROOT / "params.yaml").read_text(encoding="utf-8"))
    scale = current["scale"]
    row = {key: value for key, value in current["cells"][stale.name].items() if value is not None}
    row.pop("epochs", None)
    block = {}
    known = {**values["scales"].get(scale, {}), **_scale_keys(values)}
    for key, value in current["scales"][scale].items():
        if key in known:
            block[key] = value
    block.update(epochs=EPOCHS, milestones=[1], warmup_iterations=2, workers=0, image_cache=False)
    for key in values["data"]:
        if key in current["data"]:
            values["data"][key] = current["data"][key]
    values.update(scale=scale, backbone="", neck="", seed=current["seed"], cells={stale.name: row}, hypotheses=[])
    values["scales"] = {**values["scales"], scale: block}
    path.unlink()
    path.write_text(yaml_text.dumps(values), encoding="utf-8")


def _scale_keys(values: dict[str, Any]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for block in values["scales"].values():
        keys.update(block)
    return keys


def _write_data(stale: Stale, folder: Path) -> None:
    """The first labelled images of the prepared data, at their own place."""
    count = STEPS * stale.cell.training["batch_size"]
    for split, loader, most in (("train", "train_dataloader", count), ("val", "val_dataloader", _VAL_IMAGES),
                                ("test", "val_dataloader", _VAL_IMAGES)):
        source = Path(stale.cell.config[loader].dataset.ann_file)
        coco = json.loads(source.read_bytes())
        labelled = {entry["image_id"] for entry in coco["annotations"]}
        coco["images"] = [image for image in coco["images"] if image["id"] in labelled][:most]
        kept = {image["id"] for image in coco["images"]}
        coco["annotations"] = [entry for entry in coco["annotations"] if entry["image_id"] in kept]
        coco["info"]["image_root"] = str(Path(coco["info"]["image_root"]).resolve())
        for target in {paths.annotations(split), source if split != "test" else paths.annotations(split)}:
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            (folder / target).write_text(json.dumps(coco), encoding="utf-8")


def _python(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_", "GIT_"))}
    env["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder.resolve() / 'mlflow.db'}"
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True,
                          check=False)
