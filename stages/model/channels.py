"""Holds what a backbone's fragment says of its outputs against the backbone itself, which is built
without memory for its weights."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.files import replacing
from stages.study import paths

log = logging.getLogger(__name__)

# What was built before: to import MMDetection takes seconds, and most edits of params.yaml leave
# the backbones alone.
FILE = paths.SCRATCH / "channels.json"
# Pixels of the image that only its shape is of; each stride of a backbone divides it.
_SIDE = 256


def check(backbone: str, model: dict[str, Any], file: Path = FILE) -> None:
    """Raises InputError where the neck of a resolved model takes other channels than its backbone
    gives.

    backbone: the name of its fragment. For a backbone that cannot be built from shapes alone, a
    line says that it is not checked.
    """
    neck = model.get("neck")
    if isinstance(neck, list | tuple):
        neck = neck[0]
    if not neck or not isinstance(neck.get("in_channels"), list | tuple):
        return
    expected = list(neck["in_channels"])
    path = f"configs/backbones/{backbone}.py"
    try:
        actual = _remembered(model["backbone"], file)
    # Whatever somebody's own backbone raises: its training says what is wrong with it, if anything.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        log.warning(
            "%s: in_channels is not checked: cannot be built from shapes (%s)", path, reason
        )
        return
    if actual != expected:
        raise InputError(
            f"{path}: neck.in_channels is {expected}, and the outputs of the backbone have "
            f"{actual} channels; see docs/extending.md"
        )


def _remembered(config: dict[str, Any], file: Path) -> list[int]:
    """Of outputs(), from `file` where the same config was built before."""
    digest = hashlib.sha256(repr(config).encode()).hexdigest()
    try:
        built = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        built = {}
    if digest not in built:
        built[digest] = outputs(config)
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as beside:
            beside.write_text(json.dumps(built), encoding="utf-8")
    return built[digest]


def outputs(config: dict[str, Any]) -> list[int]:
    """Channels of each feature map of a backbone. Raises what MMDetection or the backbone does where
    that takes values and not shapes alone."""
    # Seconds of imports, for a backbone that was not built before.
    import torch
    from mmengine.config import ConfigDict
    from mmengine.registry import init_default_scope
    from torch.overrides import TorchFunctionMode

    import stages.model.ops  # noqa: F401  before anything of MMDetection

    from mmdet.registry import MODELS  # isort: skip

    class Numbers(TorchFunctionMode):
        """Swin asks linspace for numbers, which the meta device has none of."""

        def __torch_function__(self, function, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            if function is torch.linspace:
                kwargs = {**kwargs, "device": "cpu"}
            return function(*args, **kwargs)

    init_default_scope("mmdet")
    with torch.device("meta"), Numbers(), torch.no_grad():
        module = MODELS.build(ConfigDict({**config, "init_cfg": None}))
        # MMDetection's own train() gives nothing back.
        module.eval()
        maps = module(torch.empty(1, 3, _SIDE, _SIDE))
        return [feature.shape[1] for feature in maps]
