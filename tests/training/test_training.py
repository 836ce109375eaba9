"""What the parameters of a scale do to a training: real trainings of a few steps, in this process."""

from __future__ import annotations

import csv
import json
import multiprocessing
import sys
import sysconfig
from pathlib import Path

import mlflow
import pytest
import torch
import torch.utils.checkpoint
from conftest import CELLS, make_project

import stages.sync
import stages.train
from stages import fit
from stages.analysis import tide
from stages.errors import InputError
from stages.inference import detect, load_model
from stages.model import resolve
from stages.study import params, paths, yaml_text
from stages.training import cell_file, history, runner

R50 = "faster_rcnn-r50-fpn-sgd-512"
SWIN = "faster_rcnn-swin_l-fpn-sgd-512"


class Trainer:
    """A clone with prepared data; `run` trains a cell in it with changed parameters and gives its history."""

    def __init__(self, folder: Path) -> None:
        self.project = make_project(folder)
        self.project.run("python", "-m", "stages.prepare")
        self.folder = self.project.folder
        self.original = (self.folder / "params.yaml").read_text(encoding="utf-8")

    def change(self, cell: str, **changes) -> None:
        """Keys of a cell go to the cell, all others to the scale."""
        values = yaml_text.loads(self.original)
        for key, value in changes.items():
            (
                values["cells"][cell]
                if key in ("activation_checkpointing", "lr")
                else values["scales"]["miniature"]
            )[key] = value
        (self.folder / "params.yaml").write_text(yaml_text.dumps(values), encoding="utf-8")

    def run(self, cell: str = R50, **changes) -> list[dict[str, str]]:
        self.change(cell, **changes)
        stages.train.main(cell)
        with (self.record(cell) / "history.csv").open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def record(self, cell: str = R50) -> Path:
        row = self.project.params()["cells"][cell]
        return self.folder / "metrics" / row["backbone"] / row["neck"] / cell

    def run_json(self, cell: str = R50) -> dict:
        return json.loads((self.record(cell) / "run.json").read_text(encoding="utf-8"))

    def weights(self, cell: str = R50, name: str = "last.pth") -> dict[str, torch.Tensor]:
        return torch.load(self.folder / "models" / cell / name, weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return Trainer(tmp_path_factory.mktemp("training") / "clone")


@pytest.fixture
def trainer(clone, monkeypatch):
    monkeypatch.chdir(clone.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{clone.folder / 'mlflow.db'}")
    load = params.load_study
    monkeypatch.setattr(params, "load_study", lambda path=clone.folder / "params.yaml": load(path))
    return clone


@pytest.fixture
def plain(trainer, request):
    """The history of the cell without any switch, and its last weights; trained once per cell."""
    kept = trainer.__dict__.setdefault("plain", {})

    def of(cell: str):
        if cell not in kept:
            rows = trainer.run(cell)
            kept[cell] = (rows, trainer.weights(cell))
        return kept[cell]

    return of


def losses(rows) -> list[float]:
    return [float(row["train/loss"]) for row in rows]


def test_the_image_cache_changes_no_bit(trainer, plain):
    rows, weights = plain(R50)
    assert trainer.run(image_cache=True) == rows
    assert len(list((trainer.folder / "data/cache").glob("*.npy"))) == 2
    assert all(torch.equal(value, weights[name]) for name, value in trainer.weights().items())
    model = trainer.folder / "models" / R50
    without, cached = (
        detect(*load_model(model / "config.py", model / "best.pth"), "test", cached)
        for cached in (False, True)
    )
    assert without == cached and without


def test_a_training_without_mlflow_is_whole_on_disk_and_is_sent_later(trainer, monkeypatch, caplog):
    with monkeypatch.context() as bare:
        # A module that is None cannot be imported, as if it were not installed.
        bare.setitem(sys.modules, "mlflow", None)
        bare.setitem(sys.modules, "dvc", None)
        rows = trainer.run()
        with pytest.raises(InputError, match="MLflow is not installed here"):
            stages.sync.main()
    assert [record.message for record in caplog.records if "tracking is off" in record.message] == [
        "MLflow is not installed here, so tracking is off; everything is on disk, and `make sync` sends it from a "
        "machine that has MLflow"
    ]
    found = trainer.run_json()
    assert len(rows) == found["iterations"] and found["run_id"] is None
    written = {path.name for path in (trainer.folder / "models" / R50).iterdir()}
    assert written == {"config.py", "best.pth", "last.pth"}
    assert f"{R50}: created" in trainer.project.run("python", "-m", "stages.sync").stdout


def test_loader_processes_are_forks_whatever_pythons_default(trainer, plain, tmp_path):
    plain(R50)
    model = trainer.folder / "models" / R50
    usual = multiprocessing.get_start_method()
    # Python 3.14's default.
    multiprocessing.set_start_method("forkserver", force=True)
    try:
        loaded = detect(*load_model(model / "config.py", model / "best.pth"), "val", workers=1)
    finally:
        multiprocessing.set_start_method(usual, force=True)
    assert loaded == detect(*load_model(model / "config.py", model / "best.pth"), "val")


def test_nothing_asks_for_a_compiler(trainer, tmp_path, monkeypatch, capfd):
    # A bare machine has none, and "gcc: not found" among a training's lines looks as if it needed one.
    monkeypatch.setitem(sysconfig.get_config_vars(), "CC", "no-such-compiler")
    trainer.change(R50)
    study = params.load_study()
    resolve.write_cell(R50, study, resolve.read_prepared(study))
    cell = cell_file.read(paths.cell(R50))
    runner.assemble(runner.runner_config(cell, tmp_path), tmp_path / "history.csv")
    assert "no-such-compiler" not in capfd.readouterr().err


def test_a_batch_in_several_passes_keeps_steps_and_rate(trainer, plain):
    rows, _ = plain(SWIN)
    summed = trainer.run(SWIN, device_batch=2)
    assert [(row["step"], row["epoch"]) for row in summed] == [
        (row["step"], row["epoch"]) for row in rows
    ]
    assert [float(row["lr"]) for row in summed][1:] == [float(row["lr"]) for row in rows][1:]
    # The first step starts from the same weights and differs by the RoIs that are drawn alone.
    assert losses(summed)[0] == pytest.approx(losses(rows)[0], rel=0.1)
    found = trainer.run_json(SWIN)
    assert found["device_batch"] == 2 and found["batch_size"] == 4 and found["iterations"] == 4


def test_activation_checkpointing_computes_the_same(trainer, plain, monkeypatch):
    rows, _ = plain(SWIN)
    calls = []
    checkpoint = torch.utils.checkpoint.checkpoint
    monkeypatch.setattr(
        torch.utils.checkpoint,
        "checkpoint",
        lambda *arguments, **options: calls.append(1) or checkpoint(*arguments, **options),
    )
    assert losses(trainer.run(SWIN, activation_checkpointing=True)) == pytest.approx(
        losses(rows), rel=1e-4
    )
    # A switch that does nothing computes the same too.
    assert len(calls) >= len(rows)


def test_channels_last_computes_the_same(trainer, plain):
    rows, weights = plain(R50)
    expected = losses(rows)
    computed = losses(trainer.run(channels_last=True))
    # A switch that does nothing computes the same too.
    kernels = (
        weights["backbone.layer1.0.conv2.weight"],
        trainer.weights()["backbone.layer1.0.conv2.weight"],
    )
    assert [kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels] == [
        False,
        True,
    ]
    # The first step has the same weights. Sums in another order then sample other anchors of the same overlap.
    assert computed[0] == pytest.approx(expected[0], rel=1e-5)
    assert computed == pytest.approx(expected, rel=0.02)


def test_the_average_is_what_is_validated_and_saved(trainer, plain):
    rows, weights = plain(R50)
    averaged = trainer.run(ema=0.05)
    assert losses(averaged) == losses(rows)
    # MMDetection's EMA follows closely for its first thousands of steps: near, but not the same.
    saved = trainer.weights()
    learnt = [name for name, value in weights.items() if value.is_floating_point()]
    assert any(not torch.equal(saved[name], weights[name]) for name in learnt)
    assert all(torch.allclose(saved[name], weights[name], atol=1e-3) for name in learnt)
    best = max(float(row["val/bbox_mAP_50"]) for row in averaged if row["val/bbox_mAP_50"])
    model = trainer.folder / "models" / R50
    detections = detect(*load_model(model / "config.py", model / "best.pth"), "val")
    annotations = trainer.folder / "data/prepared/val.json"
    found = tide.inspect(annotations, detections).evaluated.statistics["bbox_mAP_50"]
    assert found == pytest.approx(best, abs=1e-9)


def test_validations_that_are_left_out_change_no_bit_of_the_weights(trainer, plain):
    rows, weights = plain(R50)
    late = trainer.run(first_validation=2)
    assert losses(late) == losses(rows)
    assert {row["epoch"] for row in rows if row["val/bbox_mAP_50"]} == {"1", "2"}
    assert [row for row in late if row["val/bbox_mAP_50"]] == late[-1:] and late[-1] == rows[-1]
    assert all(torch.equal(value, weights[name]) for name, value in trainer.weights().items())
    assert trainer.run_json()["best"]["epoch"] == 2


def test_early_stopping_ends_a_training_that_learns_no_more(trainer):
    rows = trainer.run(lr=1e-9, epochs=8, early_stopping=2)
    assert len({row["epoch"] for row in rows}) < 8
    assert trainer.run_json()["iterations"] == len(rows) < 16


def test_a_diverging_loss_ends_the_cell_and_its_run(trainer, monkeypatch):
    monkeypatch.setattr(history, "CHECK_EVERY", 1)
    with pytest.raises(
        InputError,
        match=rf"^{R50}: the loss is \S+ at step \d; lower the learning rate .*clip_grad",
    ):
        trainer.run(lr=1e9, clip_grad=0, epochs=5, warmup_iterations=0)
    # By name: a test before this one may have left another store as MLflow's own.
    client = mlflow.MlflowClient(f"sqlite:///{trainer.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("detection-matrix")
    assert client.search_runs([experiment.experiment_id])[0].info.status == "FAILED"
    assert not list((trainer.folder / ".work").glob("*/run.json"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU can do amp")
def test_amp_without_a_gpu_is_refused(trainer):
    with pytest.raises(InputError, match=r"scales\.miniature\.amp: bf16 needs a GPU"):
        trainer.run(amp="bf16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="the limit is one of the CPU's memory")
def test_too_little_memory_names_the_parameter_to_lower(trainer):
    trainer.change(R50, image_scale=4)
    program = (
        f"import resource, sys; sys.argv[1:] = [{R50!r}]; "
        "import stages.train, stages.program, stages.safety.guard, stages.training.runner; "
        "limit = 5 << 30; resource.setrlimit(resource.RLIMIT_AS, (limit, limit)); "
        "stages.program.run(stages.train.main, 'train', 'CELL')"
    )
    done = trainer.project.run("python", "-c", program, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stdout, done.stdout[-2000:]
    assert f"train: {R50}: out of memory with 4 images of 2048 px in a pass, after" in done.stdout
    assert f"set cells.{R50}.device_batch to 2" in done.stdout


def test_two_processes_share_one_batch(trainer, plain):
    rows, _ = plain(R50)
    trainer.change(R50, processes=2)
    done = trainer.project.run("python", "-m", "stages.train", R50)
    found = trainer.run_json()
    assert found["processes"] == 2 and found["device_batch"] == 2 and found["batch_size"] == 4
    with (trainer.record() / "history.csv").open(encoding="utf-8") as file:
        shared = list(csv.DictReader(file))
    assert [(row["step"], row["lr"]) for row in shared] == [
        (row["step"], row["lr"]) for row in rows
    ]
    assert losses(shared)[0] == pytest.approx(losses(rows)[0], rel=0.1)
    # One process speaks, tracks and saves for both.
    assert done.stdout.count("epoch 2/2") == 1
    assert all(torch.isfinite(value).all() for value in trainer.weights().values())


def test_two_processes_fail_with_one_line(trainer):
    trainer.change(R50, processes=2, lr=1e9, clip_grad=0, warmup_iterations=0)
    done = trainer.project.run("python", "-m", "stages.train", R50, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stdout, done.stdout
    # The first process that sees it says it; the others may as well, until they are ended.
    assert 1 <= done.stdout.count(f"train: {R50}: the loss is") <= 2


def test_fit_says_what_each_cell_takes(trainer, capsys, monkeypatch):
    trainer.change(R50)
    monkeypatch.setattr(fit, "up_to_date", lambda study: {SWIN})
    fit.main()
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines[1:-1]}
    assert set(rows) == set(CELLS)
    assert rows[SWIN].endswith("up to date") and rows[R50].endswith("to run")
    # 2.6 million parameters in fp32, best and last.
    assert " 2.6 " in rows[R50] and " 21 MB " in rows[R50] and "1 x 4" in rows[R50]
    disk = sum(float(row.split(" MB")[0].split()[-1]) for name, row in rows.items() if name != SWIN)
    assert f"{disk:.0f} MB of checkpoints" in lines[-1]
    # Three states of the largest that is to run: its weights and AdamW's two sums, so nine for its two checkpoints.
    states = float(lines[-1].split(" MB of states")[0].split()[-1])
    largest = max(
        float(row.split(" MB")[0].split()[-1]) for name, row in rows.items() if name != SWIN
    )
    assert states == pytest.approx(4.5 * largest, rel=0.05)


def test_a_batch_that_cannot_be_shared_is_refused(trainer):
    trainer.change(R50, processes=3)
    with pytest.raises(
        params.StudyError,
        match=r"a batch_size of 4 is not a multiple of device_batch 4 x processes 3",
    ):
        params.load_study()
