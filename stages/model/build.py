"""Builds the model and the optimizer of a row from shapes alone, without memory for weights: what
MMDetection cannot build, and a neck that takes other channels than its backbone gives, is said
before anything is trained."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.files import write_text
from stages.study import paths
from stages.study.params import Cell

log = logging.getLogger(__name__)

# The models that were built before: to import MMDetection takes seconds, and most edits of
# params.yaml leave the models alone.
BUILT = paths.SCRATCH / "built_models.json"
# Pixels of the image that only its shape is of; each stride of a backbone divides it.
_SIDE = 256


def check_build(name: str, cell: Cell, resolved: dict[str, Any], file: Path = BUILT) -> None:
    """Raises InputError where MMDetection cannot build the model or the optimizer of a row's
    resolved config, or the neck takes other channels than the backbone gives. For a model that
    cannot be built from shapes alone, a line says that its channels are not checked.

    file: where those that were built before are listed.
    """
    model, optimizer = resolved["model"], resolved["optim_wrapper"]["optimizer"]
    digest = hashlib.sha256(repr((model, optimizer)).encode()).hexdigest()
    try:
        built = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        built = {}
    if digest not in built:
        try:
            build_optimizer(optimizer)
        except Exception as error:
            raise _refusal(name, "optimizer", cell, ("optimizer",), error) from None
        channels = _channels(name, cell, model)
        if channels is None:
            return
        built[digest] = channels
        write_text(file, json.dumps(built))
    neck = model.get("neck")
    if isinstance(neck, list | tuple):
        neck = neck[0]
    if not neck or not isinstance(neck.get("in_channels"), list | tuple):
        return
    if built[digest] != list(neck["in_channels"]):
        raise InputError(
            f"configs/backbones/{cell.backbone}.py: neck.in_channels is "
            f"{list(neck['in_channels'])}, and the outputs of the backbone have {built[digest]} "
            "channels; see docs/extending.md"
        )


def _channels(name: str, cell: Cell, model: dict[str, Any]) -> list[int] | None:
    """Of output_channels(), None where the model can be built, but not from shapes alone."""
    try:
        return output_channels(model)
    # Whatever somebody's own model raises.
    except Exception as error:
        reason = _first_sentence(error)
    try:
        build_model(model)
    except Exception as error:
        parts = ("detector", "backbone", "neck")
        raise _refusal(name, "model", cell, parts, error) from None
    path = f"configs/backbones/{cell.backbone}.py"
    log.warning("%s: in_channels is not checked: cannot be built from shapes (%s)", path, reason)
    return None


def _refusal(
    name: str, kind: str, cell: Cell, parts: Sequence[str], error: Exception
) -> InputError:
    files = [f"configs/{part}s/{getattr(cell, part)}.py" for part in parts]
    return InputError(
        f"{name}: MMDetection cannot build the {kind} of {', '.join(files)}: "
        f"{_first_sentence(error)}; see docs/extending.md"
    )


def _first_sentence(error: Exception) -> str:
    """In one line; the error's name where it says nothing, as assertions do."""
    text = str(error)
    if isinstance(error, KeyError) and error.args:
        # It would put its text into quotes.
        text = str(error.args[0])
    return " ".join(text.partition(". ")[0].split())[:200] or type(error).__name__


def build_model(model: dict[str, Any]) -> Any:
    """The detector of a resolved model, with whatever weights. Raises what MMDetection does."""
    from mmengine.config import ConfigDict

    return _registries().MODELS.build(ConfigDict(model))


def build_optimizer(optimizer: dict[str, Any]) -> Any:
    """An optimizer, as its section of a resolved config says, of a single parameter. Raises what
    MMDetection does."""
    import torch

    parameters = [torch.nn.Parameter(torch.empty(1))]
    return _registries().OPTIMIZERS.build({**optimizer, "params": parameters})


def _registries() -> Any:
    # Seconds of imports, for what was not built before.
    from mmengine.registry import init_default_scope

    import stages.model.ops  # noqa: F401  before anything of MMDetection

    from mmdet import registry  # isort: skip

    init_default_scope("mmdet")
    return registry


def output_channels(model: dict[str, Any]) -> list[int]:
    """Channels of each feature map of the backbone of a resolved model, which is built without
    memory for its weights. Raises what MMDetection or the backbone does where that takes values and
    not shapes alone."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Numbers(TorchFunctionMode):
        """Swin asks linspace for numbers, which the meta device has none of."""

        def __torch_function__(self, function, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            if function is torch.linspace:
                kwargs = {**kwargs, "device": "cpu"}
            return function(*args, **kwargs)

    with torch.device("meta"), Numbers(), torch.no_grad():
        backbone = build_model(model).backbone
        # MMDetection's own train() gives nothing back.
        backbone.eval()
        maps = backbone(torch.empty(1, 3, _SIDE, _SIDE))
        return [feature.shape[1] for feature in maps]
