"""Short names of cells: what sets them apart and nothing else, each another one."""

from __future__ import annotations

import dataclasses

import made_matrix
import pytest

from stages.study import params
from stages.study.params import ROOT, Cell
from stages.study.short_names import renamed, short_names


def names(**cells: Cell) -> dict[str, str]:
    return short_names(made_matrix.study_of(cells))


def test_the_shipped_rows_are_named_by_what_differs():
    shipped = short_names(params.load(ROOT / "params.yaml"))
    assert shipped["faster_rcnn-r50-fpn-sgd-512"] == "r50"
    assert shipped["faster_rcnn-swin_l-fpn-adamw-512"] == "swin_l · adamw"
    assert shipped["faster_rcnn-swin_l-pafpn-sgd-512"] == "swin_l · pafpn"
    assert len(set(shipped.values())) == len(shipped)


def test_a_repeat_says_its_seed_or_fold_and_the_first_row_does_not():
    row = made_matrix.row("r50")
    other = made_matrix.row("r101")
    with_seed = names(
        a=row, b=dataclasses.replace(row, seed=3), c=other, d=dataclasses.replace(row, fold=2)
    )
    assert with_seed == {"a": "r50", "b": "r50 · seed 3", "c": "r101", "d": "r50 · fold 2"}


def test_a_key_that_repeats_the_study_says_nothing():
    study = made_matrix.study_of({})
    row = made_matrix.row("r50")
    same = dataclasses.replace(row, epochs=study.training.epochs, seed=study.seed)
    assert names(a=same, b=made_matrix.row("r101")) == {"a": "r50", "b": "r101"}


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
        names(a=row, b=changed, c=made_matrix.row("r101"), d=made_matrix.row("x101"))["b"] == text
    )


def test_rows_that_nothing_visible_tells_apart_keep_their_names():
    row = made_matrix.row("r50")
    assert names(one=row) == {"one": "one"}
    assert names(one=row, two=dataclasses.replace(row, device_batch=2)) == {
        "one": "one",
        "two": "two",
    }
    both = names(
        one=row, two=dataclasses.replace(row, device_batch=2), three=made_matrix.row("r101")
    )
    assert both == {"one": "one", "two": "two", "three": "r101"}


def test_no_short_name_is_another_row_s_name():
    swapped = names(
        r101=made_matrix.row("r50"), r50=made_matrix.row("r101"), c=made_matrix.row("x101")
    )
    assert swapped == {"r101": "r101", "r50": "r50", "c": "x101"}
    mixed = names(r101=made_matrix.row("r50"), b=made_matrix.row("r101"), c=made_matrix.row("x101"))
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
