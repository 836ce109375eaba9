"""Reads a file of weights without running code from it, and gives its tensors MMDetection's names."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from stages.errors import InputError

# Under this share of the backbone's tensors a file is not that backbone's. Swin's has no norms of
# the four outputs, which are MMDetection's addition: 8 of Swin-T's 177.
LEAST_MATCHED = 0.95

# Counters of batch norms and tables that follow from the window's size: they are no weights.
_DERIVED = ("num_batches_tracked", "relative_position_index", "attn_mask")


@dataclass(frozen=True)
class Match:
    """matched: the tensors of the backbone that the file has. missing: names that it lacks.
    unexpected: names of the file that the backbone has no place for, such as the classifier's. A
    name in both has another shape."""

    matched: dict[str, torch.Tensor]
    missing: list[str]
    unexpected: list[str]

    @property
    def share(self) -> float:
        return len(self.matched) / max(1, len(self.matched) + len(self.missing))


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """By name. Raises InputError where the file has other things than tensors, or code."""
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            with warnings.catch_warnings(action="ignore"):
                content = torch.load(path, map_location="cpu", weights_only=True)
    # A damaged file raises whatever torch's unpickler stumbles over, such as IndexError.
    except Exception as error:
        raise InputError(
            f"{path}: is not a file of tensors alone, and nothing else is loaded: {_reason(error)}"
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    content = content if isinstance(content, dict) else {}
    tensors = {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise InputError(f"{path}: holds no tensors")
    return tensors


def match_tensors(tensors: dict[str, torch.Tensor], backbone: torch.nn.Module) -> Match:
    """Gives the tensors of torchvision, OpenMMLab or the Swin authors the names of MMDetection's
    `backbone`.

    torchvision's ResNets have MMDetection's names already; OpenMMLab's are below "backbone.";
    Swin's are converted by MMDetection's own converter. What is no weight (see _DERIVED) decides
    nothing and is left out.
    """
    tensors = {
        name.removeprefix("module.").removeprefix("backbone."): value
        for name, value in tensors.items()
        if not name.endswith(_DERIVED)
    }
    if any(name.startswith("layers.0.blocks.") for name in tensors):
        import stages.model.ops  # noqa: F401  before anything of MMDetection
        from mmdet.models.backbones.swin import swin_converter  # isort: skip

        converted = swin_converter(tensors)
        tensors = {name.removeprefix("backbone."): value for name, value in converted.items()}
    matched, missing = {}, []
    for name, value in backbone.state_dict().items():
        if name.endswith(_DERIVED):
            continue
        if name in tensors and tensors[name].shape == value.shape:
            matched[name] = tensors[name].contiguous()
        else:
            missing.append(name)
    return Match(matched, sorted(missing), sorted(tensors.keys() - matched.keys()))


def _reason(error: Exception) -> str:
    """What the reader said, on one line, without torch's advice to allow everything."""
    text = re.split(r"trusted source\. |WeightsUnpickler error: ", " ".join(str(error).split()))[-1]
    return text.partition(" Check the documentation of torch.load")[0][:200] or type(error).__name__
