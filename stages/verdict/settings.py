"""What a cell was trained with, flat and comparable: run.json and the resolved config."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from stages.model import config_file
from stages.results.cell import CellResult
from stages.study import paths
from stages.tracking import provenance
from stages.tracking.provenance import UNKNOWN
from stages.verdict.consequences import RESULT_KEYS, TWINS

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Settings:
    """What one cell was trained with. recorded: run.json's content, any of its keys; also
    train_images, val_images, train_val_overlap (images that are in both) and code_digest where they
    are known. config: the resolved MMDetection config as nested dicts, None where it is not at
    hand."""

    name: str
    recorded: Mapping[str, Any]
    config: Mapping[str, Any] | None = None

    @cached_property
    def flat(self) -> dict[str, Any]:
        """The config by flatten() under "config."; num_classes of all heads is one key."""
        values = {}
        heads = set()
        for key, value in flatten(self.config or {}).items():
            if key.endswith(".num_classes"):
                heads.add(value)
            else:
                values[f"config.{key}"] = value
        if heads:
            values["config.num_classes"] = tuple(sorted(heads))
        return values


def settings_of(results: Mapping[str, CellResult], root: Path) -> dict[str, Settings]:
    """Row -> what it was trained with, from run.json and models/<row>/config.py."""
    entries = provenance.accepted(root)
    settings = {}
    for name, result in results.items():
        recorded = dict(result.run)
        if "code_digest" in recorded:
            # Code that was shown to make the same bits is the same code.
            recorded["code_digest"] = provenance.newest(recorded["code_digest"], entries)
        config = None
        path = root / paths.model(name) / "config.py"
        if path.is_file():
            config = config_file.read_config(path).to_dict()
            # run.json has the same.
            config.pop("training", None)
        settings[name] = Settings(name, recorded, config)
    return settings


def recorded(cell: Settings) -> dict[str, Any]:
    """run.json's settings, flat: lr_per_sample and images_an_epoch instead of lr and iterations, and
    train_val_overlap where images that are validated are also learnt."""
    values = flatten({key: value for key, value in cell.recorded.items() if key not in RESULT_KEYS})
    values.setdefault("train_share", 1.0)
    if values.get("git_commit") in ("", UNKNOWN):
        del values["git_commit"]
    batch = values.get("batch_size")
    if "lr" in values and batch:
        values.setdefault("lr_per_sample", values["lr"] / batch)
    if "lr_per_sample" in values:
        values.pop("lr", None)
    if batch and values.get("epochs") and "iterations" in values:
        values["images_an_epoch"] = values.pop("iterations") * batch / values["epochs"]
    if not values.get("train_val_overlap"):
        values.pop("train_val_overlap", None)
        train = cell.flat.get("config.train_dataloader.dataset.ann_file")
        if train and train == cell.flat.get("config.val_dataloader.dataset.ann_file"):
            values["train_val_overlap"] = f"all: both read {train}"
    return values


def with_config(flat: Mapping[str, Any], cell: Settings, both: Set[str]) -> dict[str, Any]:
    """With the keys of the cell's config, less those that repeat what both cells have recorded."""
    values = dict(flat)
    for key, value in cell.flat.items():
        if TWINS.get(key) not in both:
            values[key] = value
    return values


def differ(key: str, flat_a: Mapping[str, Any], flat_b: Mapping[str, Any]) -> bool:
    """Whether the two values differ by more than rounding."""
    a, b = flat_a.get(key, NOT_RECORDED), flat_b.get(key, NOT_RECORDED)
    if NOT_RECORDED in (str(a), str(b)):
        return bool(a != b)
    if key.endswith("[]") and sorted(a) != sorted(b):
        # An inserted transform has keys of its own; this one is for another order of the same.
        return False
    if key == "images_an_epoch":
        # The last batch of an epoch may be smaller or be filled up.
        return bool(abs(a - b) > max(flat_a["batch_size"], flat_b["batch_size"]))
    if isinstance(a, float) and isinstance(b, float):
        return not math.isclose(a, b, rel_tol=1e-9)
    return bool(a != b)


def same_file(a: Any, b: Any) -> bool:
    """Whether two paths end in the same name: the same data in another folder."""
    return PurePosixPath(str(a)).name == PurePosixPath(str(b)).name


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """A nested config as dotted keys and plain values (lists become tuples).

    A list of typed dicts is addressed by type, pipeline[Resize].scale, a second one of a type by
    [Resize#2], so that an inserted transform does not shift the others; `pipeline[]` is the order
    of the types. Empty parts are left out.
    """
    return dict(_flat(config, ""))


def trains_batch_norm(config: Mapping[str, Any] | None) -> bool:
    """Whether batch statistics are learnt, or may be where the config does not say."""
    if not config:
        return True
    flat = flatten(config)
    backbone = str(flat.get("model.backbone.type", ""))
    usual = "" if "Swin" in backbone else "BN"
    norm = str(flat.get("model.backbone.norm_cfg.type", usual))
    if "BN" in norm and not flat.get("model.backbone.norm_eval"):
        return True
    for key, value in flat.items():
        outside = key.endswith("norm_cfg.type") and not key.startswith("model.backbone.")
        if outside and "BN" in str(value):
            return True
    return False


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(item, f"{key}.{name}" if key else str(name))
    elif not isinstance(value, list | tuple):
        yield key, value
    elif not all(isinstance(item, Mapping) for item in value):
        yield key, _plain(value)
    elif value:
        names = [str(item.get("type", "")) for item in value]
        if key.endswith("pipeline"):
            yield f"{key}[]", tuple(names)
        times: Counter[str] = Counter()
        for name, item in zip(names, value, strict=True):
            times[name] += 1
            number = f"#{times[name]}" if times[name] > 1 else ""
            yield from _flat(item, f"{key}[{name}{number}]")


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    return value
