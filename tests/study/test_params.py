"""Every mistake in params.yaml ends in one line that names the key and what is allowed there."""

from __future__ import annotations

import copy
import subprocess
import sys
from datetime import date
from typing import get_args, get_type_hints

import pytest
from changed_params import VALUES, assign, read

from stages.model.compose import compose
from stages.study.params import ROOT, Study, Verdicts, load_study
from stages.study.strict import StudyError, validate

FIRST = "faster_rcnn-r50-fpn-sgd-512"


def test_the_studys_rows_are_all_there():
    rows = {
        (cell.detector, cell.backbone, cell.neck, cell.optimizer, cell.image_size)
        for cell in load_study().cells.values()
    }
    faster = {
        ("faster_rcnn", backbone, "fpn", "sgd", 512)
        for backbone in ("r50", "r101", "x101", "swin_t", "swin_l")
    }
    cascade = {
        ("cascade_rcnn", backbone, "fpn", "sgd", 1024) for backbone in ("r50", "r101", "x101")
    }
    proposed = {
        ("faster_rcnn", "swin_l", neck, optimizer, size)
        for neck, optimizer, size in (
            ("pafpn", "sgd", 512),
            ("fpn", "sgd", 1024),
            ("pafpn", "sgd", 1024),
            ("fpn", "adamw", 512),
        )
    }
    assert rows == faster | cascade | proposed | {
        ("faster_rcnn", "mobilenet_v2", "fpn", "sgd", 512)
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (assign("epochs", 3), "epochs: unknown key; allowed here: scale, backbone"),
        (assign("data/roots", "x"), "data.roots: unknown key"),
        (assign(f"cells/{FIRST}/bakbone", "r50"), f"cells.{FIRST}.bakbone: unknown key"),
        (
            assign("scales/miniature/lr/sgd", "1e-4"),
            "lr.sgd: expected a number, found text '1e-4'; write 0.0001",
        ),
        (
            assign("scales/miniature/epochs", "3"),
            "scales.miniature.epochs: expected a whole number, found text '3'; write 3 without quotes",
        ),
        (
            assign("scales/miniature/tf32", "yes"),
            "scales.miniature.tf32: expected true or false, found text 'yes'; write true or false without quotes",
        ),
        (
            assign("backbones/r50/weights/sha256", 3.2e50),
            "backbones.r50.weights.sha256: expected text, found a number 3.2e+50; put it in quotes",
        ),
        (
            assign("scales/miniature/epochs", 2.5),
            "scales.miniature.epochs: expected a whole number",
        ),
        (
            assign("scales/miniature/epochs", True),
            "scales.miniature.epochs: expected a whole number",
        ),
        (assign("scales/miniature/epochs", 0), "scales.miniature.epochs: 0 is below"),
        (
            assign("scales/miniature/epochs", 2.0),
            "scales.miniature.epochs: expected a whole number, found a number 2.0; write 2",
        ),
        (
            assign("scales/miniature/lr/sgd", float("inf")),
            "scales.miniature.lr.sgd: expected a finite number, found a number inf",
        ),
        (
            assign(f"cells/{FIRST}/lr", float("inf")),
            f"cells.{FIRST}.lr: expected a finite number, found a number inf",
        ),
        (
            assign("data/tiny_pixels", float("nan")),
            "data.tiny_pixels: expected a finite number, found a number nan",
        ),
        (assign("hypotheses", None), "hypotheses: expected a list, found nothing"),
        (assign("backbone", ["r50"]), "backbone: expected text, found a list ['r50']"),
        (
            lambda values: values["hypotheses"][0].pop("holds"),
            "hypotheses[0].holds: missing; it must be text or a mapping",
        ),
        (
            lambda values: values["cells"].update({FIRST.upper(): values["cells"][FIRST]}),
            f"cells.{FIRST.upper()}: differs from {FIRST} by case only",
        ),
        (
            assign("scales/miniature/milestones", [3]),
            "scales.miniature.milestones: milestones [3] must rise and lie",
        ),
        (assign("scales/full/milestones", [13, 10]), "scales.full.milestones"),
        (assign("scales/miniature/image_scale", float("nan")), "scales.miniature.image_scale"),
        (
            assign("scales/miniature/weights", "coco"),
            "scales.miniature.weights: 'coco' is not one of none, imagenet",
        ),
        (
            assign("scales/miniature/lr/adam", 0.1),
            "scales.miniature.lr.adam: unknown optimizer; there are: adamw, sgd",
        ),
        (
            assign("scale", "tiny"),
            "scale: 'tiny' has no block under scales; there are: miniature, full",
        ),
        (assign("seed", -1), "seed: -1 is below"),
        (assign("seed", KeyError), "seed: missing"),
        (assign("cells", {}), "cells: no cell is listed"),
        (
            assign(f"cells/{FIRST}/backbone", "r5"),
            "unknown backbone 'r5'; there are: mobilenet_v2, r101, r50, swin_l",
        ),
        (assign(f"cells/{FIRST}/epochs", 2), f"cells.{FIRST}.epochs: milestones [2] must"),
        (assign("cells/twin", VALUES["cells"][FIRST]), f"cells.twin: the same row as {FIRST}"),
        (
            assign("cells/twin", {**VALUES["cells"][FIRST], "seed": 0}),
            f"cells.twin: the same row as {FIRST}",
        ),
        (assign(f"cells/{FIRST}/seed", -1), f"cells.{FIRST}.seed: -1 is below"),
        (
            assign("verdicts/metric", "val/mAP"),
            "verdicts.metric: 'val/mAP' cannot decide; choose one of val/bbox_mAP, ",
        ),
        (
            assign("verdicts/metric", "test/bbox_mAP"),
            "verdicts.metric: 'test/bbox_mAP' cannot decide",
        ),
        (
            assign("verdicts/cost", "price"),
            "verdicts.cost: 'price' is not one of latency_ms, peak_memory_mib, train_min",
        ),
        (
            assign("verdicts/replicates", 99),
            "verdicts.replicates: 99 is below the least allowed, 100",
        ),
        (assign("verdicts/replicates", 1e3), "verdicts.replicates: expected a whole number"),
        (
            assign("verdicts/seeds", 3),
            "verdicts.seeds: unknown key; allowed here: metric, cost, replicates",
        ),
        (
            assign("cells/a;rm -rf", {**VALUES["cells"][FIRST], "image_size": 64}),
            "a name has letters",
        ),
        (assign("cells/..", {**VALUES["cells"][FIRST], "image_size": 64}), "a name has letters"),
        (
            assign("cells/r-lr0.01", {**VALUES["cells"][FIRST], "image_size": 64}),
            "cells.r-lr0.01: a name has letters, digits, '_' and '-' only; to DVC a dot would be a step "
            "down to the next key",
        ),
        (
            assign("backbone", "r5"),
            "backbone: 'r5': unknown backbone; the cells use: mobilenet_v2, r101, r50, swin_l",
        ),
        (assign("neck", "bifpn"), "neck: 'bifpn': unknown neck; the cells use: fpn, pafpn"),
        (
            assign("backbones/r50/weights/sha256", "63fe"),
            "backbones.r50.weights.sha256: '63fe' is not 8 to 64 hex digits",
        ),
        (assign("backbones/r50/weights/source", KeyError), "backbones.r50.weights.source: missing"),
        (
            lambda values: (values.update(scale="full"), values["backbones"].pop("r50")),
            "backbones.r50: missing, and cell",
        ),
        (
            lambda values: values["data"].update(folds=5, val={"annotations": "val.json"}),
            "data.folds: val has annotation",
        ),
        (assign("data/fold", 1), "data.fold: 1 is not one of 1 folds"),
        (
            lambda values: values["data"].update(source="coco", root=" "),
            "data.root: empty; name the folder",
        ),
        (
            assign("cells/again", {**VALUES["cells"][FIRST], "epochs": 3}),
            f"cells.again: the same row as {FIRST}",
        ),
        (assign("data/root", "~/set"), "data.root: '~/set': ~ stands for your home folder"),
        (
            lambda values: values["data"].update(val_share=0.5, test_share=0.5),
            "data.val_share, data.test_share: 0.5 and 0.5 leave no images to train on",
        ),
        (assign("data/folds", 2), "data.folds: the demo set has val images of its own"),
        (
            assign(f"cells/{FIRST}/fold", 1),
            f"cells.{FIRST}.fold: 1 is not one of 1 folds, which count from 0",
        ),
        (assign("cells/again", {**VALUES["cells"][FIRST], "fold": 0}), "the same row as"),
        (
            lambda values: values["data"].update(
                source="coco", root="x", train={"annotations": ""}
            ),
            "data.train.annotations: empty; name the annotation file, or the folder of label files",
        ),
        (
            lambda values: values["data"].update(
                source="yolo", root="x", train={"annotations": ["", ""]}
            ),
            "data.train.annotations: empty",
        ),
        (
            assign(f"cells/{FIRST}/device_batch", 3),
            f"cells.{FIRST}: a batch_size of 4 is not a multiple of device_batch 3 x processes 1",
        ),
        (
            assign("scales/miniature/processes", 3),
            "a batch_size of 4 is not a multiple of device_batch 4 x processes 3",
        ),
        (
            assign("scales/miniature/device_batch", 3),
            "a batch_size of 4 is not a multiple of device_batch 3 x processes 1",
        ),
        (
            lambda values: values.update(backbone="r50", neck="pafpn"),
            "backbone, neck: no cell has r50 with pafpn",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path, change, expected):
    with pytest.raises(StudyError) as caught:
        read(tmp_path, change)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_batch_of_whole_passes_is_allowed(tmp_path):
    """The row's own device_batch is what counts, and one that is larger than the batch is the batch."""

    def change(values):
        values["scales"]["miniature"]["device_batch"] = 3
        for row in values["cells"].values():
            row["device_batch"] = 2
        values["cells"][FIRST].update(batch_size=4, device_batch=8)

    assert read(tmp_path, change).cell(FIRST).device_batch == 8


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path):
    with pytest.raises(
        StudyError, match=r"^params\.yaml: cannot be read: No such file or directory$"
    ):
        load_study(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_bytes(b"scale: \xff\n")
    with pytest.raises(
        StudyError, match=r"^params\.yaml: byte 7 is not UTF-8; save it in that encoding$"
    ):
        load_study(tmp_path / "params.yaml")


@pytest.mark.parametrize("text", ["", "- 1", "scale: [", "a: b: c"])
def test_a_broken_file_is_one_line(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=r"params\.yaml") as caught:
        load_study(tmp_path / "params.yaml")
    assert "\n" not in str(caught.value)


def test_selection_keeps_the_order_of_the_file(tmp_path):
    study = read(tmp_path, assign("backbone", "swin_l"))
    assert list(study.selected()) == [name for name in VALUES["cells"] if "swin_l" in name]
    assert len(read(tmp_path, assign("neck", "pafpn")).selected()) == 2


def test_a_row_repeats_another_under_a_seed_of_its_own(tmp_path):
    study = read(tmp_path, assign("cells/again", {**VALUES["cells"][FIRST], "seed": 1}))
    assert (study.seed_of(study.cell(FIRST)), study.seed_of(study.cell("again"))) == (0, 1)
    configs = [compose(name, study, ["a"], "images") for name in (FIRST, "again")]
    assert [cfg.randomness.seed for cfg in configs] == [0, 1]
    configs[1].randomness.seed, configs[1].work_dir = 0, configs[0].work_dir
    assert repr(configs[1]) == repr(configs[0])


def test_every_cost_of_the_choice_can_be_named():
    from stages.verdict.costs import COST_WORDS

    assert get_args(get_type_hints(Verdicts)["cost"]) == tuple(COST_WORDS)


def test_an_unknown_cell_is_refused_without_a_traceback():
    done = subprocess.run(
        [sys.executable, "-m", "stages.train", "no-such-cell"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "train: cells.no-such-cell: no such cell; params.yaml lists: faster_rcnn-r50"
    )
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "key",
    ["epochs", "batch_size", "lr", "device_batch", "seed", "fold", "activation_checkpointing"],
)
def test_null_in_a_row_is_as_good_as_no_key(tmp_path, key):
    """`dvc exp run -S cells.X.lr=0.03` needs a key that is there."""
    study = read(tmp_path, assign(f"cells/{FIRST}/{key}", None))
    assert study == load_study()
    # Not pretty_text, whose formatting takes a second.
    assert repr(compose(FIRST, study, ["a"], "images")) == repr(
        compose(FIRST, load_study(), ["a"], "images")
    )


def test_text_that_is_no_finite_number_is_not_to_be_written_without_quotes(tmp_path):
    with pytest.raises(StudyError, match=r"expected a number, found text 'NaN'$"):
        read(tmp_path, assign("verdicts/margin", "NaN"))


WRONG = (
    None,
    True,
    "x",
    "3",
    -1,
    2.5,
    float("nan"),
    [],
    [1],
    {},
    {1: 2},
    {"a": None},
    date(2020, 1, 1),
)


def places(value, path=()):
    """Every key of a nested value, as `assign` takes it."""
    items = enumerate(value) if isinstance(value, list) else getattr(value, "items", tuple)()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def test_whatever_stands_under_a_key_is_read_or_is_one_line_that_names_it():
    """A type of pydantic's errors that strict.py does not know would be a KeyError."""
    refused = 0
    for path in places(VALUES):
        for wrong in WRONG:
            values = copy.deepcopy(VALUES)
            parent = values
            for key in path[:-1]:
                parent = parent[key]
            parent[path[-1]] = wrong
            try:
                validate(Study, values, "")
            except StudyError as error:
                refused += 1
                assert str(error).startswith(path[0])
                assert "\n" not in str(error)
    assert refused > 2000
