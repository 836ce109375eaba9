"""Reads a file of weights without running code from it, and renames its tensors to those of MMDetection's backbone."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from stages.program import InputError

# Under this share of the backbone's tensors a file is not that backbone's.
LEAST_MATCHED = 0.95


@dataclass(frozen=True)
class Match:
    """matched: the tensors of the backbone that the file has. missing: names that it lacks. unexpected: names of the
    file that the backbone has no place for, such as the classifier's."""

    matched: dict[str, torch.Tensor]
    missing: list[str]
    unexpected: list[str]

    @property
    def share(self) -> float:
        return len(self.matched) / max(1, len(self.matched) + len(self.missing))


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors by name. Raises InputError where the file is no set of tensors, or would run code when loaded."""
    try:
        content = load_file(path) if path.suffix == ".safetensors" else torch.load(
            path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"{path}: is not a file of tensors alone, and nothing else is loaded: "
                         f"{' '.join(str(error).split())[:200]}") from None
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)} if isinstance(
        content, dict) else {}
    if not tensors:
        raise InputError(f"{path}: holds no tensors")
    return tensors


def match(tensors: dict[str, torch.Tensor], backbone: torch.nn.Module) -> Match:
    """Gives the tensors of torchvision, OpenMMLab or the Swin authors the names of MMDetection's `backbone`.

    torchvision's ResNets have MMDetection's names already; OpenMMLab's are below "backbone."; Swin's are converted by
    MMDetection's own converter. Counters of batch norms decide nothing and are left out.
    """
    tensors = {name.removeprefix("module.").removeprefix("backbone."): value for name, value in tensors.items()}
    if any(name.startswith("layers.0.blocks.") for name in tensors):
        from mmdet.models.backbones.swin import swin_converter

        converted = swin_converter({name: value for name, value in tensors.items() if not name.endswith("attn_mask")})
        tensors = {name.removeprefix("backbone."): value for name, value in converted.items()}
    wanted = {name: value for name, value in backbone.state_dict().items() if not name.endswith("num_batches_tracked")
              and not name.endswith("relative_position_index")}
    matched = {name: tensors[name].contiguous() for name, value in wanted.items()
               if name in tensors and tensors[name].shape == value.shape}
    return Match(matched, sorted(wanted.keys() - matched.keys()),
                 sorted(name for name in tensors.keys() - matched.keys() if not name.endswith("num_batches_tracked")))
