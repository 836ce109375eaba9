"""Files from strangers: a checkpoint, a config, YAML, a file's name. None is run, each is refused in one line."""

from __future__ import annotations

import dataclasses
import functools
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, Project
from finished import BEST, FPN, only_line
from mmengine.config import Config

import stages.model.ops  # noqa: F401  before anything of MMDetection
from stages.errors import InputError
from stages.inference import load_weights
from stages.model import config_file
from stages.model.compose import compose
from stages.study import params

from mmdet.registry import MODELS  # isort: skip  after the ops

pytest_plugins = "finished"


class Command:
    """Unpickled without weights_only, this runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def pickled(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


SAVES = {
    "zip": torch.save,
    "legacy": functools.partial(torch.save, _use_new_zipfile_serialization=False),
    "pickle": pickled,
}


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """The file that every attack here would make."""
    return tmp_path / "ran"


def replace(path: Path, text: str) -> None:
    # Results are hard links of DVC's cache.
    path.unlink()
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("save", SAVES)
def test_malicious_checkpoint(save, tmp_path, ran):
    model, path = torch.nn.Linear(2, 2), tmp_path / "best.pth"
    for place in ("meta", "state_dict", "optimizer"):
        SAVES[save](
            {"state_dict": model.state_dict(), "meta": {}, place: Command(f"touch {ran}")}, path
        )
        with pytest.raises(InputError) as refused:
            load_weights(path, model)
        assert str(path) in str(refused.value) and "\n" not in str(refused.value)
        assert not ran.exists()
    # The file is a real attack.
    torch.load(path, weights_only=False) if save != "pickle" else pickle.loads(path.read_bytes())
    assert ran.exists()


def test_malicious_checkpoint_in_the_study(study: Project, ran):
    (study.folder / BEST).unlink()
    torch.save({"state_dict": {}, "meta": Command(f"touch {ran}")}, study.folder / BEST)
    done = study.run("dvc", "repro", "--single-item", f"stages/dvc.yaml:predict@{FPN}", check=False)
    assert done.returncode and not ran.exists()
    assert "holds more than tensors and plain values" in only_line(done.stdout, f"predict: {BEST}")


def test_python_text_in_a_checkpoint(tmp_path, ran):
    """mmengine evaluates the config that it finds in a checkpoint's meta when it resumes; here nobody does."""
    text = f"model = dict(type=__import__('os').system('touch {ran}'))\n"
    model, path = torch.nn.Linear(2, 2), tmp_path / "best.pth"
    meta = {key: text for key in ("cfg", "config", "mmengine_version", "hook_msgs")}
    wanted = {name: value + 1 for name, value in model.state_dict().items()}
    torch.save({"meta": meta, "state_dict": wanted}, path)
    load_weights(path, model)
    assert torch.equal(model.weight, wanted["weight"]) and not ran.exists()
    Config.fromstring(text, ".py")
    assert ran.exists()


@pytest.mark.parametrize("save", ["zip", pytest.param("legacy", marks=pytest.mark.slow)])
def test_malicious_pretrained_weights(save, study: Project, ran):
    source = study.folder / "evil.pth"
    SAVES[save](
        {"state_dict": {"conv1.weight": torch.ones(2)}, "meta": Command(f"touch {ran}")}, source
    )

    def change(values):
        values["scale"] = "full"
        values["backbones"]["r50"]["weights"].update(source=str(source), sha256=None)

    study.set_params(change)
    done = study.run("python", "-m", "stages.weights", FPN, check=False)
    assert done.returncode == 1 and not ran.exists()
    assert "is not a file of tensors alone" in only_line(done.stdout, f"weights: {source}")


COMMAND = "touch ran"
HOSTILE = {
    "import": f"import os\nos.system({COMMAND!r})\nmodel = dict()",
    "call": f"model = __import__('os').system({COMMAND!r})",
    "dict of a call": f"model = dict(a=__import__('os').system({COMMAND!r}))",
    "key is a call": f"model = {{__import__('os').system({COMMAND!r}): 1}}",
    "class with a dot": f"model = dict(type='os.system', command={COMMAND!r})",
    "class of a module": "model = dict(backbone=dict(type='subprocess.Popen', args=['touch', 'ran']))",
    "type in a list": f"hooks = [dict(type='os.system', command={COMMAND!r})]",
    "type is a list": "model = dict(type=['os.system'])",
    "nms": f"model = dict(test_cfg=dict(rcnn=dict(nms=dict(type=\"__import__('os').system({COMMAND!r})\"))))",
    "class that loads": "model = dict(type='KnowledgeDistillationSingleStageDetector', teacher_config='evil.py')",
    "scope": "model = dict(_scope_='evil', type='FasterRCNN')",
    "default scope": "default_scope = 'evil'",
    "base": "_base_ = '../evil.py'",
    "pickled proposals": "val_dataloader = dict(dataset=dict(type='CocoDataset', proposal_file='evil.pkl'))",
    "annotations from afar": "val_evaluator = dict(type='CocoMetric', ann_file='http://127.0.0.1/evil.json')",
    "lambda": "model = (lambda: 1)()",
    "comprehension": "model = [x for x in ().__class__.__base__.__subclasses__()]",
    "f-string": "model = f'{__import__(\"os\")}'",
    "multiplication": "model = 'a' * 10**9",
    "two stars": "model = dict(**{'a': 1})",
    "arguments": "model = dict([('a', 1)])",
    "other dict": "dict = print\nmodel = dict(a=1)",
    "function": "def model():\n    pass",
    "walrus": "(model := 1)",
    "attribute": "model.x = 1",
    "starred": "model = [*range(3)]",
    "deep": "model = " + "[" * 5000 + "]" * 5000,
    "null": "model = 1\0",
    "own name of mmengine": "filename = 'x'",
    "truncated": "model = dict(\n    type='FasterRCNN',\n    backbone=dict(",
    "huge": "# " + "x" * config_file.LARGEST_CONFIG,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_malicious_config(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "models" / "some-cell" / "config.py"
    path.parent.mkdir(parents=True)
    path.write_text(HOSTILE[name], encoding="utf-8")
    with pytest.raises(InputError) as refused:
        config_file.read_config(path)
    message = str(refused.value)
    assert (
        message.startswith(f"{path}: ")
        and "\n" not in message
        and len(message) < len(str(path)) + 400
    )
    assert "train@some-cell" in message and not (tmp_path / "ran").exists()


def test_the_attacks_by_config_are_real(tmp_path, monkeypatch):
    """What MMEngine does with the same files; otherwise refusing them would show nothing."""
    monkeypatch.chdir(tmp_path)
    path, ran = tmp_path / "config.py", tmp_path / "ran"
    for name in ("call", "dict of a call", "key is a call"):
        path.write_text(HOSTILE[name], encoding="utf-8")
        Config.fromfile(path)
        assert ran.exists(), name
        ran.unlink()
    path.write_text(HOSTILE["class with a dot"], encoding="utf-8")
    MODELS.build(Config.fromfile(path).model)
    assert ran.exists()


def test_malicious_config_in_the_study(study: Project, ran):
    path = study.folder / "models" / FPN / "config.py"
    replace(path, f"import os\nos.system('touch {ran}')\n{path.read_text(encoding='utf-8')}")
    shown = f"models/{FPN}/config.py: line 1: is not a plain assignment"
    for stage, *cell in (("predict", FPN), ("compare",)):
        done = study.run("python", "-m", f"stages.{stage}", *cell, check=False)
        assert done.returncode == 1 and not ran.exists(), done.stdout
        assert (
            shown in only_line(done.stdout, f"{stage}: ")
            if stage == "compare"
            else shown in done.stdout
        )
        assert "Traceback" not in done.stdout


@pytest.mark.parametrize("scale", ["miniature", pytest.param("full", marks=pytest.mark.slow)])
def test_every_config_that_train_writes_is_read_as_mmengine_reads_it(scale, tmp_path):
    study, path = dataclasses.replace(params.load_study(), scale=scale), tmp_path / "config.py"
    for name in study.cells:
        cfg = compose(name, study, ["a", "b'\"<x>\\", "한글\n{}"], "/data/bilder ü")
        path.write_text(cfg.pretty_text, encoding="utf-8")
        # repr: == takes a tuple in a list for a list, MMEngine does not.
        assert repr(config_file.read_config(path).to_dict()) == repr(
            Config.fromfile(path).to_dict()
        ), name


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system [touch ran]", "!!python/name:os.system", "!evil x"]
)
def test_yaml_tags(tag, study: Project, tmp_path):
    text = (study.folder / "params.yaml").read_text(encoding="utf-8")
    hostile = text.replace("\nseed: 0\n", f"\nseed: {tag}\n")
    assert hostile != text
    (study.folder / "params.yaml").write_text(hostile, encoding="utf-8")
    alone = study.run("python", "-m", "stages.plan", check=False)
    assert alone.returncode == 1 and "could not determine a constructor" in only_line(
        alone.stdout, "plan: params.yaml"
    )
    assert study.run("dvc", "repro", check=False).returncode
    # The names of a YOLO set are YAML, too.
    images, labels = tmp_path / "set" / "images", tmp_path / "set" / "labels"
    images.mkdir(parents=True), labels.mkdir()
    (tmp_path / "set" / "data.yaml").write_text(f"names: {tag}\n", encoding="utf-8")
    (labels / "a.txt").write_text("0 .5 .5 .2 .2\n", encoding="utf-8")
    checked = study.run("python", "-m", "stages.data_check", str(tmp_path / "set"), check=False)
    assert checked.returncode and "Traceback" not in checked.stdout
    assert not [
        path
        for path in (study.folder / "ran", tmp_path / "ran", tmp_path / "set" / "ran")
        if path.exists()
    ]
    # The tag is a real attack.
    if "apply" in tag:
        subprocess.run(
            [sys.executable, "-c", "import sys, yaml; yaml.unsafe_load(sys.argv[1])", tag],
            cwd=tmp_path,
            check=True,
        )
        assert (tmp_path / "ran").exists()


def test_no_loader_that_runs_what_it_reads():
    """Every torch.load says weights_only=True, and none of the loaders that run code is named in the product."""
    text = {path: path.read_text(encoding="utf-8") for path in (ROOT / "stages").rglob("*.py")}
    assert any("weights_only=True" in content for content in text.values())
    for path, content in text.items():
        assert content.count("torch.load(") == content.count("weights_only=True"), path
        for word in (
            "pickle.load",
            "yaml.load(",
            "unsafe_load",
            "full_load",
            "extractall",
            "joblib",
            "shell=True",
            "os.system(",
            "allow_pickle",
            "mmengine.load",
            "load_checkpoint(",
        ):
            assert word not in content, f"{path}: {word}"
        # Fragments in configs/ are this project's own code.
        assert "Config.fromfile" not in content or path.name in ("compose.py", "config_file.py"), (
            path
        )
