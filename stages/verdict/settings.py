"""What a cell was trained with, flat and comparable: run.json, the resolved config, and what
follows from both."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from stages.tracking.checkout import UNKNOWN
from stages.verdict.consequences import OUTCOMES, twin_of

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
        """The config by flatten() under "config."; num_classes, which every head repeats, is one
        key."""
        known = flatten(self.config or {})
        heads = {key for key in known if key.endswith(".num_classes")}
        kept = {f"config.{key}": value for key, value in known.items() if key not in heads}
        return (
            kept | {"config.num_classes": tuple(sorted({known[key] for key in heads}))}
            if heads
            else kept
        )


def recorded(cell: Settings) -> dict[str, Any]:
    """run.json's settings, flat, and what follows from them: lr_per_sample and images_an_epoch
    instead of lr and iterations, and train_val_overlap where images that are validated are also
    learnt."""
    known = flatten({key: value for key, value in cell.recorded.items() if key not in OUTCOMES})
    known.setdefault("train_share", 1.0)
    if known.get("git_commit") in ("", UNKNOWN):
        del known["git_commit"]
    batch = known.get("batch_size")
    if "lr" in known and batch:
        known.setdefault("lr_per_sample", known["lr"] / batch)
    if "lr_per_sample" in known:
        known.pop("lr", None)
    if batch and known.get("epochs") and "iterations" in known:
        known["images_an_epoch"] = known.pop("iterations") * batch / known["epochs"]
    if not known.get("train_val_overlap"):
        known.pop("train_val_overlap", None)
        loaders = [
            flatten((cell.config or {}).get(f"{split}_dataloader", {}))
            for split in ("train", "val")
        ]
        files = [loader.get("dataset.ann_file") for loader in loaders]
        if files[0] and files[0] == files[1]:
            known["train_val_overlap"] = f"all: both read {files[0]}"
    return known


def with_configs(
    one: dict[str, Any], a: Settings, other: dict[str, Any], b: Settings
) -> tuple[dict, dict]:
    """Both with the keys of their configs, less those that repeat what both have recorded."""
    first, second = (
        {
            key: value
            for key, value in cell.flat.items()
            if not ((twin := twin_of(key)) and twin in one and twin in other)
        }
        for cell in (a, b)
    )
    return one | first, other | second


def differ(key: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the two values differ by more than rounding."""
    a, b = one.get(key, NOT_RECORDED), other.get(key, NOT_RECORDED)
    if NOT_RECORDED in (str(a), str(b)):
        return a != b
    if key.endswith("[]") and sorted(a) != sorted(b):
        # An inserted transform has keys of its own; this one is for another order of the same.
        return False
    if key == "images_an_epoch":
        # The last batch of an epoch may be smaller or be filled up.
        return abs(a - b) > max(one["batch_size"], other["batch_size"])
    if isinstance(a, float) and isinstance(b, float):
        return not math.isclose(a, b, rel_tol=1e-9)
    return a != b


def same_file(a: Any, b: Any) -> bool:
    """Whether two paths end in the same name: another folder of the same data, not another file of
    it."""
    return PurePosixPath(str(a)).name == PurePosixPath(str(b)).name


def overlap(train: Iterable[str], val: Iterable[str]) -> int:
    """How many validation images, by file name or hash, are also trained on: train_val_overlap."""
    return len(set(train) & set(val))


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """A nested config as dotted keys and plain values (lists become tuples).

    A list of typed dicts is addressed by type, pipeline[Resize].scale, a second one of a type by
    [Resize#2], so that an inserted transform does not shift the others; `pipeline[]` is the order
    of the types. Empty parts are left out.
    """
    return dict(_flat(config, ""))


def trains_batch_norm(config: Mapping[str, Any] | None) -> bool:
    """Whether batch statistics are learnt; without a config, or for a backbone that does not say,
    they may be."""
    if not config:
        return True
    flat = flatten(config)
    backbone = str(flat.get("model.backbone.type", ""))
    norm = str(flat.get("model.backbone.norm_cfg.type", "" if "Swin" in backbone else "BN"))
    elsewhere = (
        value
        for key, value in flat.items()
        if key.endswith("norm_cfg.type") and not key.startswith("model.backbone.")
    )
    return ("BN" in norm and not flat.get("model.backbone.norm_eval")) or any(
        "BN" in str(value) for value in elsewhere
    )


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _flat(item, f"{key}.{name}" if key else str(name))
    elif (
        isinstance(value, list | tuple)
        and value
        and all(isinstance(item, Mapping) for item in value)
    ):
        names, seen = [str(item.get("type", "")) for item in value], Counter()
        if key.endswith("pipeline"):
            yield f"{key}[]", tuple(names)
        for name, item in zip(names, value, strict=True):
            seen[name] += 1
            yield from _flat(item, f"{key}[{name}{f'#{seen[name]}' if seen[name] > 1 else ''}]")
    elif not isinstance(value, Mapping | list | tuple) or value:
        yield key, _plain(value)


def _plain(value: Any) -> Any:
    return tuple(_plain(item) for item in value) if isinstance(value, list | tuple) else value
