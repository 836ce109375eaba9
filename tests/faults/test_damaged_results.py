"""Results cut short by whatever came: whoever reads them says which file it is and what makes it whole again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import Project
from finished import BEST, FPN, IDLE, only_line

pytest_plugins = "finished"

RECORD = f"metrics/r50/fpn/{FPN}"


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.unlink()  # a hard link of DVC's cache
    path.write_bytes(content[: int(len(content) * share)])


SLOW = [
    f"{RECORD}/history.csv",
    f"{RECORD}.json",
    f"metrics/fpn/{FPN}.json",
    "data/prepared/val.json",
    "data/prepared/report.json",
]


@pytest.mark.parametrize(
    "path",
    [
        f"{RECORD}/run.json",
        f"{RECORD}/details.json",
        f"predictions/r50/fpn/{FPN}/val.json",
        *(pytest.param(path, marks=pytest.mark.slow) for path in SLOW),
    ],
)
def test_truncated_result_in_compare(path, study: Project):
    """Alone, compare reads what is there and says what is wrong; DVC puts the file back from its cache."""
    cut(study.folder / path, 0.5)
    done = study.run("python", "-m", "stages.compare", check=False)
    assert done.returncode == 1, f"nobody noticed: {done.stdout}"
    line = only_line(done.stdout, "compare: ")
    assert f"{path}: " in line and "dvc repro" in line, line
    whole = (study.folder / path).stat().st_size
    assert "Running stage 'stages/dvc.yaml:train" not in study.run("dvc", "repro").stdout
    assert (study.folder / path).stat().st_size > 1.5 * whole


@pytest.mark.parametrize(
    ("path", "share"),
    [
        (BEST, 0.999),
        *(
            pytest.param(path, share, marks=pytest.mark.slow)
            for path, share in (
                (BEST, 0),
                (f"models/{FPN}/config.py", 0.5),
                (f"{RECORD}/run.json", 0.5),
                ("data/prepared/val.json", 0.5),
            )
        ),
    ],
)
def test_truncated_input_of_predict(path, share, study: Project):
    cut(study.folder / path, share)
    done = study.run("python", "-m", "stages.predict", FPN, check=False)
    assert done.returncode == 1
    assert (study.folder / path).exists() and only_line(done.stdout, f"predict: {path}: ")


@pytest.mark.slow
def test_truncated_prepared_data_in_train(study: Project):
    """As found by a training that is started alone."""
    shutil.rmtree(study.folder / "models" / FPN)
    cut(study.folder / "data/prepared/val.json", 0.5)
    done = study.run("python", "-m", "stages.train", FPN, check=False)
    assert done.returncode == 1
    assert "data/prepared/val.json" in only_line(done.stdout, "train: data/prepared/val.json")


@pytest.mark.slow
def test_truncated_pretrained_weights(study: Project):
    """What stage weights has written, found damaged when a training starts from it."""

    def change(values):
        values["scales"]["miniature"]["weights"] = "imagenet"

    study.set_params(change)
    path = study.folder / f"data/weights/{FPN}.safetensors"
    path.unlink()
    path.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    done = study.run("python", "-m", "stages.train", FPN, check=False)
    assert done.returncode == 1
    assert "dvc repro" in only_line(done.stdout, f"train: data/weights/{FPN}.safetensors")


@pytest.mark.slow
def test_truncated_image_cache(study: Project):
    """Decoded images that all cells share: where a file is cut short it is made anew, and the scores stay the same."""
    for path, suffix in zip(
        sorted((study.folder / "data/cache").glob("*.npy")), (".npy", ".json", ".npy")
    ):
        cut(path.with_suffix(suffix), 0.5)
    before = (study.folder / f"predictions/r50/fpn/{FPN}/val.json").read_bytes()
    study.run("python", "-m", "stages.predict", FPN)
    assert (study.folder / f"predictions/r50/fpn/{FPN}/val.json").read_bytes() == before


def test_truncated_plan(study: Project):
    """data/plan.json cut short is written anew; nothing else runs."""
    cut(study.folder / "data/plan.json", 0.5)
    output = study.run("dvc", "repro").stdout
    assert "Running stage 'stages/" not in output and IDLE in study.run("dvc", "repro").stdout
