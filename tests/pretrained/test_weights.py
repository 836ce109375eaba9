"""Reading weights safely, and renaming those of torchvision, OpenMMLab and the Swin authors to MMDetection's names."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pickle
from pathlib import Path

import pytest
import torch
import torchvision
from built import on_meta
from mmengine.config import ConfigDict
from safetensors.torch import save_file
from torch import nn

from stages import weights
from stages.errors import InputError
from stages.model import resolve
from stages.model.compose import backbone_config
from stages.pretrained import tensors
from stages.study.params import Study, load_study

import stages.model.ops  # noqa: F401  isort: skip  mmdet's models need it at import
from mmdet.models.layers import PatchMerging  # isort: skip
from mmdet.registry import MODELS  # isort: skip

FULL = dataclasses.replace(load_study(), scale="full")
# The miniature backbones, to be started from pretrained weights.
MINIATURE = dataclasses.replace(FULL, scale="miniature", scales={"miniature": FULL.training})
RESNETS = {"r50": torchvision.models.resnet50, "r101": torchvision.models.resnet101}
# Of each unfold position (row, column) that MMDetection counts 0 to 3, the authors' place.
ORDER = [0, 2, 1, 3]

State = dict[str, torch.Tensor]


def built(backbone: str, study: Study) -> nn.Module:
    """As stage weights builds it, from what stage compose wrote."""
    name = next(name for name, cell in study.cells.items() if cell.backbone == backbone)
    return weights.build(json.loads(resolve.weights_text(name, study))["model"])


def authors(state: State) -> State:
    """MMDetection's Swin tensors as the authors' checkpoints have them."""
    renamed: State = {
        "norm.weight": torch.ones(8),
        "head.weight": torch.ones(5, 8),
        "head.bias": torch.ones(5),
        "layers.0.blocks.1.attn_mask": torch.ones(4, 49, 49),
    }
    for name, value in state.items():
        if name.startswith("norm"):  # norm0 to norm3 are MMDetection's own
            continue
        if ".downsample." in name:
            # Channels major, positions minor here; the authors concatenate position after position.
            value = value.unflatten(-1, (-1, 4))[..., ORDER].transpose(-1, -2).flatten(-2)
        for ours, theirs in (
            ("stages.", "layers."),
            ("attn.w_msa.", "attn."),
            ("ffn.layers.0.0.", "mlp.fc1."),
            ("ffn.layers.1.", "mlp.fc2."),
            ("projection.", "proj."),
        ):
            name = name.replace(ours, theirs, 1)
        renamed[name] = value.contiguous()
    return renamed


def randomized(module: nn.Module) -> nn.Module:
    """With a value of its own everywhere, norms and position tables too."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data.uniform_(-1, 1, generator=generator)
    return module


def same(ours: State, theirs: State) -> bool:
    return ours.keys() == theirs.keys() and all(
        torch.equal(ours[name], theirs[name]) for name in theirs
    )


def weighty(state: State) -> State:
    return {
        name: value
        for name, value in state.items()
        if not name.endswith(("num_batches_tracked", "relative_position_index"))
    }


class Command:
    """Unpickled by torch.load without weights_only, this runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        tensors.read_tensors(path)
    message = str(caught.value)
    assert (
        message.startswith(f"{path}: ")
        and "\n" not in message
        and len(message) < len(str(path)) + 300
    )
    # torch proposes to load the file with everything allowed.
    assert "weights_only" not in message and "arbitrary code" not in message
    return message


@pytest.mark.parametrize(
    "save",
    [
        torch.save,
        functools.partial(torch.save, _use_new_zipfile_serialization=False),
        lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2)),
    ],
)
def test_a_file_that_would_run_code_is_refused(tmp_path, save):
    proof, path = tmp_path / "ran", tmp_path / "evil.pth"
    save({"state_dict": {"conv1.weight": torch.ones(2)}, "meta": Command(f"touch {proof}")}, path)
    assert "is not a file of tensors alone" in refusal(path)
    assert not proof.exists()
    # The file is a real attack.
    if save is torch.save:
        torch.load(path, weights_only=False)
        assert proof.exists()


def test_plain_values_beside_the_tensors_are_fine(tmp_path):
    meta = {
        "epoch": 100,
        "CLASSES": ("a", "b"),
        "time": "Mon",
        "config": None,
        "lr": [0.1],
        "best": True,
    }
    torch.save(
        {"meta": meta, "state_dict": {"conv1.weight": torch.ones(2), "version": 2}},
        tmp_path / "a.pth",
    )
    assert same(tensors.read_tensors(tmp_path / "a.pth"), {"conv1.weight": torch.ones(2)})


def test_damaged_files_are_refused(tmp_path):
    torch.save({"a": torch.ones(1000)}, tmp_path / "a.pth")
    torch.save({"a": torch.ones(1000)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file({"a": torch.ones(1000)}, tmp_path / "a.safetensors")
    for name in ("a.pth", "old.pth", "a.safetensors"):
        content = (tmp_path / name).read_bytes()
        for part in (0, 1, 9, 50, len(content) // 2, len(content) - 10):
            (tmp_path / f"cut-{name}").write_bytes(content[:part])
            assert "is not a file of tensors alone" in refusal(tmp_path / f"cut-{name}")


@pytest.mark.parametrize(
    "content", [b"<html>404 Not Found</html>\n", b"version https://git-lfs.github.com/spec/v1\n"]
)
@pytest.mark.parametrize("name", ["page.pth", "page.safetensors"])
def test_a_text_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert "is not a file of tensors alone" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [{}, {"state_dict": {}}, {"epoch": 3}, [torch.ones(2)], torch.ones(2), {3: torch.ones(2)}],
)
def test_a_file_without_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "empty.pth")
    assert "holds no tensors" in refusal(tmp_path / "empty.pth")


@pytest.mark.parametrize("name", RESNETS)
def test_torchvisions_resnets(name):
    theirs = RESNETS[name](weights=None).state_dict()
    found = tensors.match_tensors(theirs, built(name, FULL))
    assert (found.share, found.missing, found.unexpected) == (1, [], ["fc.bias", "fc.weight"])
    assert same(
        found.matched,
        {name: value for name, value in weighty(theirs).items() if not name.startswith("fc.")},
    )


@pytest.mark.parametrize(
    "layout",
    [
        lambda state: {
            "meta": {"epoch": 1},
            "state_dict": {f"backbone.{name}": value for name, value in state.items()},
        },
        lambda state: {
            "state_dict": {f"module.backbone.{name}": value for name, value in state.items()}
        },
        lambda state: {f"backbone.{name}": value for name, value in state.items()},
        lambda state: {"state_dict": state},
        lambda state: state,
    ],
    ids=["openmmlab", "in parallel", "flat", "state_dict", "plain"],
)
def test_openmmlabs_layouts(tmp_path, layout):
    backbone = built("mobilenet_v2", MINIATURE)
    state = randomized(backbone).state_dict()
    torch.save(layout(state), tmp_path / "a.pth")
    found = tensors.match_tensors(tensors.read_tensors(tmp_path / "a.pth"), backbone)
    assert found.share == 1 and not found.unexpected and same(found.matched, weighty(state))


def test_resnext_takes_its_own_width_only():
    backbone = built("x101", FULL)
    state = backbone.state_dict()
    found = tensors.match_tensors({**state, "fc.weight": torch.ones(2)}, backbone)
    assert (
        found.share == 1
        and found.unexpected == ["fc.weight"]
        and same(found.matched, weighty(state))
    )
    with torch.device("meta"):
        wider = torchvision.models.resnext101_32x8d(weights=None).state_dict()
    found = tensors.match_tensors(wider, backbone)
    assert 0.3 < found.share < tensors.LEAST_MATCHED
    assert "layer1.0.conv1.weight" in found.missing and "layer1.0.conv1.weight" in found.unexpected


def test_the_test_knows_the_authors_patch_merging():
    """authors() renames a layer that computes the same: the order of positions is the authors', not just some order."""
    ours = randomized(PatchMerging(6, 12))
    theirs = authors(
        {f"stages.0.downsample.{name}": value for name, value in ours.state_dict().items()}
    )
    image = torch.rand(2, 8, 10, 6)
    with torch.no_grad():
        # As microsoft/Swin-Transformer's models/swin_transformer.py merges patches.
        merged = torch.cat(
            [image[:, row::2, column::2] for column in (0, 1) for row in (0, 1)], dim=-1
        )
        norm = nn.functional.layer_norm(
            merged,
            (24,),
            theirs["layers.0.downsample.norm.weight"],
            theirs["layers.0.downsample.norm.bias"],
        )
        wanted = norm.flatten(1, 2) @ theirs["layers.0.downsample.reduction.weight"].T
        found, size = ours(image.flatten(1, 2), (8, 10))
    assert size == (4, 5) and torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("study", [FULL, MINIATURE], ids=["full", "miniature"])
def test_swin_of_its_authors(tmp_path, study):
    backbone = built("swin_t", study)
    state = randomized(backbone).state_dict()
    torch.save({"model": authors(state)}, tmp_path / "swin.pth")
    found = tensors.match_tensors(tensors.read_tensors(tmp_path / "swin.pth"), backbone)
    norms = [f"norm{level}.{part}" for level in range(4) for part in ("bias", "weight")]
    assert found.missing == norms and found.share >= tensors.LEAST_MATCHED
    assert found.unexpected == ["norm.weight"]
    assert same(
        found.matched, {name: value for name, value in weighty(state).items() if name not in norms}
    )
    # MMDetection's own loading of the same file gives the same backbone.
    config = ConfigDict(backbone_config("swin_t", study))
    config.init_cfg = ConfigDict(type="Pretrained", checkpoint=str(tmp_path / "swin.pth"))
    theirs = MODELS.build(config)
    theirs.init_weights()
    ours = built("swin_t", study)
    ours.init_weights()
    ours.load_state_dict(found.matched, strict=False)
    assert theirs.convert_weights and same(ours.state_dict(), theirs.state_dict())


def test_swin_l_by_names_and_shapes():
    backbone = on_meta(backbone_config("swin_l", FULL))
    found = tensors.match_tensors(authors(backbone.state_dict()), backbone)
    assert len(found.missing) == 8 and {name[:4] for name in found.missing} == {"norm"}
    assert all(
        found.matched[name].shape == value.shape
        for name, value in weighty(backbone.state_dict()).items()
        if name not in found.missing
    )
    # 224 pixels' windows of 7 have other position tables.
    smaller = {
        name: value[:169] if name.endswith("bias_table") else value
        for name, value in authors(backbone.state_dict()).items()
    }
    assert tensors.match_tensors(smaller, backbone).share < tensors.LEAST_MATCHED
