"""Loading a cell's weights: tensors and plain values only, never pickled code."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import torch

from stages.errors import InputError
from stages.files import replacing
from stages.training import best


def save(path: Path, model: torch.nn.Module, classes: list[str], epoch: int) -> None:
    """The weights as a training saves them."""
    with replacing(path) as temporary:
        torch.save(best.content(model.state_dict(), classes, epoch), temporary)


def load(path: Path, model: torch.nn.Module) -> None:
    """Raises InputError where the file is missing, damaged, more than data, or not of exactly this
    model."""
    if not path.is_file():
        raise InputError(
            f"{path}: no such checkpoint; train the cell first (dvc repro, or "
            f"python -m stages.train {path.parent.name})"
        )
    try:
        # torch writes a checksum of each tensor and does not look at it again.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if not damaged:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: holds more than tensors and plain values and is not opened "
            f"({' '.join(str(error).split())[:60]}); train the cell again"
        ) from None
    # A damaged file makes the reader raise anything.
    except Exception as error:
        damaged = " ".join(str(error).split())[:100] or type(error).__name__
    if damaged:
        raise InputError(
            f"{path}: is damaged ({damaged}); python -m stages.check_cache all removes damaged "
            "files, and dvc repro makes them again"
        )
    try:
        model.load_state_dict(content["state_dict"], strict=True)
    except (RuntimeError, TypeError, KeyError) as error:
        raise InputError(
            f"{path}: is not a checkpoint of the model in config.py beside it: "
            f"{' '.join(str(error).split())[:300]}"
        ) from None
