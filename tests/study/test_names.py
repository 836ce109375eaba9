"""Names of the study and of its data set: where they are shown, what MLflow refuses, that they decide nothing; short
names of cells: what sets them apart and nothing else, each another one."""

from __future__ import annotations

import dataclasses
import re

import made_matrix
import pytest
from changed_params import VALUES, assign, read
from tracked_cells import folder  # noqa: F401

from stages.comparison import outcomes, registry
from stages.comparison.run import SUFFIX
from stages.data.page import words
from stages.prepare import prepare
from stages.safety.record import datasets
from stages.study import names, params, yaml_text
from stages.study.names import renamed, short_names
from stages.study.params import ROOT, Cell
from stages.study.schema import DemoImages
from stages.study.strict import StudyError
from stages.tracking import store

# The fixture is imported.
# ruff: noqa: F811


@pytest.fixture
def named(tmp_path, monkeypatch):
    """A function that names the study of a params.yaml, which the tracking then reads."""
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.setattr(store, "ROOT", tmp_path)
    monkeypatch.setattr(store, "home", lambda root=None: tmp_path)

    def name(study: str | None) -> None:
        values = {**VALUES, "study": study}
        if study is None:
            del values["study"]
        (tmp_path / "params.yaml").write_text(yaml_text.dumps(values), encoding="utf-8")
        store._study_name.cache_clear()

    yield name
    store._study_name.cache_clear()


def test_without_a_name_the_experiments_and_the_model_are_called_as_before(named):
    named(None)
    assert [store.experiment_name(suffix) for suffix in ("", store.DATA, SUFFIX)] == [
        "detection-matrix",
        "detection-matrix-data",
        "detection-matrix-comparisons",
    ]
    assert registry.model_name() == "detection-matrix"
    assert set(names.SUFFIXES) == {store.DATA, SUFFIX}


def test_two_studies_on_one_server_stay_apart(named, folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'store.db'}")
    made = {}
    for study in ("waste.2026", "blood-cells"):
        named(study)
        client, experiment = store.open_client()
        made[study] = (client.get_experiment(experiment).name, registry.model_name(), experiment)
    assert [entry[:2] for entry in made.values()] == [("waste.2026",) * 2, ("blood-cells",) * 2]
    assert made["waste.2026"][2] != made["blood-cells"][2]
    # The variable of MLflow's own clients still decides.
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")
    assert store.experiment_name(store.DATA) == "theirs-data"


@pytest.mark.parametrize(
    ("key", "name", "expected"),
    [
        (
            "study",
            "a/b",
            "study: 'a/b' cannot name MLflow's experiments and a model; 1 to 100 letters",
        ),
        ("study", "", "study: '' cannot name"),
        ("study", "..", "study: '..' cannot name"),
        ("study", "two words", "study: 'two words' cannot name"),
        ("study", "x" * 101, "cannot name MLflow's experiments"),
        (
            "study",
            "waste-data",
            "study: 'waste-data' ends in -data, which names an experiment of the study 'waste'",
        ),
        ("study", 2026, "study: expected text, found a whole number 2026; put it in quotes"),
        ("data/name", "a\nb", "data.name: 'a\\nb' has line breaks"),
        (
            "data/name",
            " a",
            "data.name: ' a' has line breaks, control characters, or blanks at an end",
        ),
        ("data/name", "x" * 101, "data.name: 101 characters, the most allowed are 100"),
    ],
)
def test_a_name_that_mlflow_cannot_hold_is_refused_in_one_line(tmp_path, key, name, expected):
    with pytest.raises(StudyError, match=re.escape(expected)) as caught:
        read(tmp_path, assign(key, name))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"source": "demo"}, "demo"),
        ({"source": "coco", "root": "/data/blood cells/"}, "blood cells"),
        ({"source": "coco", "root": "/"}, "coco"),
        ({"source": "demo", "name": "Müll 2026 / [alt]"}, "Müll 2026 / [alt]"),
    ],
)
def test_a_data_set_without_a_name_is_called_as_its_folder(changes, expected):
    data = dataclasses.replace(params.load_study().data, **{"name": "", **changes})
    assert data.display_name == expected


def test_the_name_of_a_data_set_changes_no_split(tmp_path):
    study = params.load_study()
    small = dataclasses.replace(study.data, demo_images=DemoImages(3, 2, 2), demo_image_size=64)
    written = {}
    for name in ("first", "second"):
        report = prepare(dataclasses.replace(small, name=name), 0, tmp_path / name)
        assert report["name"] == name and ("data set", [name]) in words.facts(report)
        # The folder of the images stands in the files.
        written[name] = [
            (tmp_path / name / f"{split}.json").read_text().replace(str(tmp_path / name), "")
            for split in ("train", "val", "test")
        ]
    assert written["first"] == written["second"]


def test_runs_carry_both_names(tmp_path):
    from report_cells import load_all
    from report_judgements import judged

    study = dataclasses.replace(params.load_study(), study="waste")
    study = dataclasses.replace(study, data=dataclasses.replace(study.data, name="drawn scenes"))
    assert names.tags(study) == {"study": "waste", "dataset": "drawn scenes"}
    found = outcomes.comparison_tags(judged(load_all(tmp_path)), study)
    assert (found["study"], found["dataset"]) == ("waste", "drawn scenes")
    prepared = {
        "digests": {"train": "1", "val": "2"},
        "files": {split: tmp_path for split in ("train", "val")},
    }
    assert [entry["name"] for entry in datasets(prepared, "drawn scenes")] == [
        "drawn scenes-train",
        "drawn scenes-val",
    ]


def short(**cells: Cell) -> dict[str, str]:
    return short_names(made_matrix.study_of(cells))


def test_the_shipped_rows_are_named_by_what_differs():
    shipped = short_names(params.load_study(ROOT / "params.yaml"))
    assert shipped["faster_rcnn-r50-fpn-sgd-512"] == "r50"
    assert shipped["faster_rcnn-swin_l-fpn-adamw-512"] == "swin_l · adamw"
    assert shipped["faster_rcnn-swin_l-pafpn-sgd-512"] == "swin_l · pafpn"
    assert len(set(shipped.values())) == len(shipped)


def test_a_repeat_says_its_seed_or_fold_and_the_first_row_does_not():
    row = made_matrix.row("r50")
    other = made_matrix.row("r101")
    with_seed = short(
        a=row, b=dataclasses.replace(row, seed=3), c=other, d=dataclasses.replace(row, fold=2)
    )
    assert with_seed == {"a": "r50", "b": "r50 · seed 3", "c": "r101", "d": "r50 · fold 2"}


def test_a_key_that_repeats_the_study_says_nothing():
    study = made_matrix.study_of({})
    row = made_matrix.row("r50")
    same = dataclasses.replace(row, epochs=study.training.epochs, seed=study.seed)
    assert short(a=same, b=made_matrix.row("r101")) == {"a": "r50", "b": "r101"}


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("neck", "pafpn", "r50 · pafpn"),
        ("image_size", 800, "r50 · 800 px"),
        ("epochs", 30, "r50 · 30 epochs"),
        ("batch_size", 2, "r50 · batch 2"),
        ("lr", 0.003, "r50 · lr 0.003"),
    ],
)
def test_a_number_says_what_it_is(key, value, text):
    row = made_matrix.row("r50")
    changed = dataclasses.replace(row, **{key: value})
    assert (
        short(a=row, b=changed, c=made_matrix.row("r101"), d=made_matrix.row("x101"))["b"] == text
    )


def test_rows_that_nothing_visible_tells_apart_keep_their_names():
    row = made_matrix.row("r50")
    assert short(one=row) == {"one": "one"}
    assert short(one=row, two=dataclasses.replace(row, device_batch=2)) == {
        "one": "one",
        "two": "two",
    }
    both = short(
        one=row, two=dataclasses.replace(row, device_batch=2), three=made_matrix.row("r101")
    )
    assert both == {"one": "one", "two": "two", "three": "r101"}


def test_no_short_name_is_another_row_s_name():
    swapped = short(
        r101=made_matrix.row("r50"), r50=made_matrix.row("r101"), c=made_matrix.row("x101")
    )
    assert swapped == {"r101": "r101", "r50": "r50", "c": "x101"}
    mixed = short(r101=made_matrix.row("r50"), b=made_matrix.row("r101"), c=made_matrix.row("x101"))
    assert len(set(mixed.values())) == 3 and mixed["r101"] == "r50"


def test_whole_names_alone_are_replaced_in_a_sentence():
    names = {
        "rcnn-r50": "r50",
        "rcnn-r50-again": "r50 · seed 1",
        "best": "r101",
        "r50": "r50 · lr 1",
    }
    text = (
        "rcnn-r50 against rcnn-r50-again: the best. Run `dvc repro stages/dvc.yaml:train@rcnn-r50`."
    )
    assert renamed(text, names) == (
        "r50 against r50 · seed 1: the best. Run `dvc repro stages/dvc.yaml:train@rcnn-r50`."
    )
    assert renamed("models/rcnn-r50/best.pth and rcnn-r50.json of my-rcnn-r50", names) == (
        "models/rcnn-r50/best.pth and rcnn-r50.json of my-rcnn-r50"
    )
    # A level in a claim stays a level.
    assert renamed("r50 < r101", names) == "r50 < r101"
    assert renamed("a", {}) == "a"
