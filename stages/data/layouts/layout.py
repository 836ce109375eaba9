"""What a recogniser gives: the splits of a set, as params.yaml names them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from stages.data.layouts.tree import is_below, split_of
from stages.study.params import Source
from stages.study.paths import SPLITS


@dataclass
class Layout:
    """images: whether the first names of all splits lead to a file. examples: some of the names, to
    look for them elsewhere, without a suffix where `stems`. notes: what somebody may have expected
    to be read and is not."""

    source: str
    sets: dict[str, Source]
    images: bool
    examples: list[str] = field(default_factory=list)
    stems: bool = False
    notes: list[str] = field(default_factory=list)


def in_root_alone(folder: str, images: str | None) -> bool:
    """Whether a folder of annotations belongs to the root, rather than to a set of its own one
    level below.

    It does where it lies in the root itself, in a folder named for a split, or has its images
    elsewhere.
    """
    top = folder.split("/")[0]
    if not folder or split_of(top) is not None or images is None:
        return True
    return not is_below(images, top)


def by_split(annotations: Iterable[str], notes: list[str]) -> dict[str, list[str]]:
    """The paths of annotations that each split has, by their names, in the order of SPLITS.

    Where none names train, those of no split are for training, or else those of the only split:
    folders called val_0 to val_4 are one set, and FiftyOne calls its only split val. Where one
    does, `notes` says which are left out.
    """
    named: dict[str, list[str]] = {}
    for path in annotations:
        named.setdefault(split_of(path) or "", []).append(path)
    if "train" not in named:
        named["train"] = named.pop(next(split for split in ("", *SPLITS) if split in named))
    for path in named.pop("", []):
        notes.append(f"{path or '.'} is left out: its name says no split, and others do")
    return {split: named[split] for split in SPLITS if split in named}
