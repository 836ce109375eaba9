"""A few steps of a cell with the code that trained it or this folder's, on a few of its images."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from stages.acceptance.stale import Stale
from stages.errors import InputError
from stages.study import paths, yaml_text
from stages.study.params import ROOT
from stages.tracking import provenance

# Optimizer steps of an epoch. Two epochs: the second one has another rate.
STEPS = 2
EPOCHS = 2
_VAL_IMAGES = 4
# On a CPU, where the same code makes the same bits every time; on a GPU it does not from the third
# step on. A CPU has no amp, and torch.compile asks for a compiler there.
_ON_A_CPU = {"amp": "none", "compile": False, "workers": 0}
# Longer side of an image in pixels: the code does the same with all of them, and whole ones would
# take a CPU minutes a step.
_PIXELS = 192
_ASK = """
import dataclasses, json
from stages.study import params
from stages.tracking import provenance
keys = [field.name for field in dataclasses.fields(params.Scale)]
print(json.dumps({"code_digest": provenance.code_digest(), "scale": keys}))
"""
# After so few steps every score is near 0, and any rule keeps the same epoch: detections near the
# labelled boxes, and scores that rise and fall, are put to the code of scoring and of the choice.
_SCORE = """
import json, sys
from types import SimpleNamespace
from stages.scoring.box_metric import BoxMetric
from stages.training.best import BestHook
hook, kept = BestHook(), []
for epoch, score in enumerate((None, 0.1, 0.3, 0.3, 0.2), 1):
    hook.after_val_epoch(SimpleNamespace(epoch=epoch, iter=epoch), {"coco/bbox_mAP_50": score})
    kept.append(hook.best)
detections = []
for place, box in enumerate(json.load(open(sys.argv[1]))["annotations"]):
    x, y, width, height = box["bbox"]
    for turn in range(3):
        moved = [x + width * (turn * place % 7) / 20, y, width, height * (1 + turn / 9)]
        detections.append({"image_id": box["image_id"], "category_id": box["category_id"],
                           "bbox": moved, "score": (1 + (place * 3 + turn) * 7 % 97) / 100})
print(json.dumps([kept, BoxMetric(sys.argv[1]).compute_metrics([detections])]))
"""


@dataclass(frozen=True)
class TrialOutcome:
    """tensors: of the last checkpoint, and under "best.pth: " of the best one. history: history.csv.
    scores: the scores of made detections, and which epoch is kept of made scores."""

    tensors: dict[str, torch.Tensor]
    history: str
    scores: str


@dataclass
class Folders:
    """Where trials run: a folder for each code that trained, and one for the code of ROOT."""

    root: Path
    # The keys of a scale that the code in a folder knows.
    _keys: dict[Path, list[str]] = field(default_factory=dict)

    def then(self, stale: Stale) -> TrialOutcome:
        """With the code that trained the cell. Raises InputError where no commit holds that."""
        folder = self.root / stale.record["code_digest"]
        if not folder.exists():
            commit = stale.record["git_commit"]
            _worktree(commit, folder)
            answer = _ask(folder)
            if answer["code_digest"] != stale.record["code_digest"]:
                raise InputError(
                    f"{stale.name}: was trained with changes that commit {commit} does not hold, "
                    "so nobody can train with them again; dvc repro trains the cell"
                )
            self._keys[folder] = answer["scale"]
        return _run(stale, folder, self._keys[folder])

    def now(self, stale: Stale) -> TrialOutcome:
        """With the code of this folder as it is, committed or not."""
        folder = self.root / "now"
        if not folder.exists():
            for part in ("stages", "configs"):
                ignored = shutil.ignore_patterns("__pycache__", "dvc.lock")
                shutil.copytree(ROOT / part, folder / part, ignore=ignored)
            shutil.copy2(ROOT / "params.yaml", folder / "params.yaml")
            self._keys[folder] = _ask(folder)["scale"]
        return _run(stale, folder, self._keys[folder])


@contextlib.contextmanager
def folders() -> Iterator[Folders]:
    """Empty ones, which are gone afterwards."""
    root = (paths.SCRATCH / "accept").resolve()
    _remove(root)
    root.mkdir(parents=True)
    try:
        yield Folders(root)
    finally:
        _remove(root)


def differing_parts(then: TrialOutcome, now: TrialOutcome) -> list[str]:
    """What differs, by name; none where both ended in the same bits."""
    names = []
    for name in {**then.tensors, **now.tensors}:
        before, after = then.tensors.get(name), now.tensors.get(name)
        alike = before is not None and after is not None and before.dtype == after.dtype
        if not (alike and torch.equal(before, after)):
            names.append(name)
    if not names and then.history != now.history:
        names.append("history.csv")
    if then.scores != now.scores:
        names.append("the scores, or which epoch is kept by them")
    return names


def _remove(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    # Git's own notes of the worktrees that were in it.
    provenance.git(ROOT, "worktree", "prune")


def _worktree(commit: str, folder: Path) -> None:
    """The files of a commit. Raises InputError where there is no such commit here."""
    name = commit.removesuffix("+changes")
    done = provenance.git(ROOT, "worktree", "add", "--quiet", "--detach", str(folder), name)
    if done.returncode:
        reason = " ".join(done.stderr.split())[:200]
        raise InputError(
            f"commit {commit}: cannot be checked out ({reason}); dvc repro trains the cells"
        )


def _ask(folder: Path) -> dict[str, Any]:
    """What the code of a folder says of itself: its digest, and the keys of a scale."""
    done = _python(folder, "-c", _ASK)
    if done.returncode:
        raise InputError(f"{folder}: {_last_line(done)}")
    return json.loads(done.stdout)


def _run(stale: Stale, folder: Path, keys: list[str]) -> TrialOutcome:
    """Trains the cell in a folder that has code. Raises InputError where that fails."""
    name = stale.name
    _write_params(stale, folder / "params.yaml", keys)
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
        raise InputError(f"{name}: its trial in {folder} failed: {_last_line(done)}")
    tensors = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    best = torch.load(checkpoint.with_name("best.pth"), map_location="cpu", weights_only=True)
    for key, tensor in best["state_dict"].items():
        tensors[f"best.pth: {key}"] = tensor
    [history] = folder.glob(f"metrics/*/*/{name}/history.csv")
    scored = _python(folder, "-c", _SCORE, str(paths.annotations("val")))
    if scored.returncode:
        raise InputError(f"{name}: its trial in {folder} cannot be scored: {_last_line(scored)}")
    return TrialOutcome(tensors, history.read_text(encoding="utf-8"), scored.stdout)


def _write_params(stale: Stale, path: Path, keys: list[str]) -> None:
    """The folder's own params.yaml, cut down to the cell; its row and scale as they are now."""
    values = yaml_text.loads(path.read_text(encoding="utf-8"))
    current = yaml_text.loads((ROOT / "params.yaml").read_text(encoding="utf-8"))
    scale = current["scale"]
    row = {key: value for key, value in current["cells"][stale.name].items() if value is not None}
    # The epochs are the trial's, and a share's images are in the cell's file, which is compared.
    for key in ("epochs", "train_share"):
        row.pop(key, None)
    block = {**current["scales"][scale], **_ON_A_CPU}
    block["image_scale"] = min(block["image_scale"], _PIXELS / row["image_size"])
    block.update(epochs=EPOCHS, milestones=[1], warmup_iterations=2)
    for key in values["data"]:
        if key in current["data"]:
            values["data"][key] = current["data"][key]
    values.update(scale=scale, seed=current["seed"], cells={stale.name: row}, hypotheses=[])
    values.update(backbone="", neck="")
    for key in set(block) - set(keys):
        del block[key]
    values["scales"][scale] = block
    path.unlink()
    path.write_text(yaml_text.dumps(values), encoding="utf-8")


def _write_data(stale: Stale, folder: Path) -> None:
    """The first labelled images of the prepared data, at their own place."""
    config = stale.cell.config
    steps = STEPS * stale.cell.training["batch_size"]
    train = Path(config.train_dataloader.dataset.ann_file)
    val = Path(config.val_dataloader.dataset.ann_file)
    # Under their own names too: a row may have a fold of its own.
    for source, most, targets in (
        (train, steps, {train, paths.annotations("train")}),
        (val, _VAL_IMAGES, {val, paths.annotations("val"), paths.annotations("test")}),
    ):
        coco = json.loads(source.read_bytes())
        labelled = {entry["image_id"] for entry in coco["annotations"]}
        coco["images"] = [image for image in coco["images"] if image["id"] in labelled][:most]
        chosen = {image["id"] for image in coco["images"]}
        boxes = [entry for entry in coco["annotations"] if entry["image_id"] in chosen]
        coco["annotations"] = boxes
        coco["info"]["image_root"] = str(Path(coco["info"]["image_root"]).resolve())
        for target in targets:
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            (folder / target).write_text(json.dumps(coco), encoding="utf-8")


def _python(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    env = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}", "CUDA_VISIBLE_DEVICES": ""}
    for name, value in os.environ.items():
        if name not in env and not name.startswith(("DVC_", "MLFLOW_", "GIT_")):
            env[name] = value
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def _last_line(done: subprocess.CompletedProcess) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"
