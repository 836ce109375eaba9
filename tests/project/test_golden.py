"""What the configs, the verdicts and the report were, word for word: a move of code changes none of it.

Where a change is meant: python -m pytest tests/project/test_golden.py --write-golden, and read
the diff of tests/golden/.
"""

from __future__ import annotations

import dataclasses
import functools
import textwrap
from collections.abc import Callable
from pathlib import Path

import golden_matrix
import golden_texts
import pytest
from divisions import long_tailed
from made_matrix import X101
from report_cells import report

from stages.data.assign import assign
from stages.data.split import train_order
from stages.model.compose import compose
from stages.study.params import Study, load_study

FIRST = "faster_rcnn-r50-fpn-sgd-512"
CLASSES = ["a", "b", "c"]


@pytest.fixture
def golden(pytestconfig) -> Callable[[str, str], None]:
    return functools.partial(golden_texts.check, write=pytestconfig.getoption("write_golden"))


@pytest.fixture(scope="module")
def configs() -> Callable[..., dict]:
    """compose() as a dict."""
    return lambda name, study, **options: compose(
        name, study, CLASSES, "images", **options
    ).to_dict()


def at(scale: str) -> Study:
    return dataclasses.replace(load_study(), scale=scale)


@pytest.mark.parametrize("scale", load_study().scales)
def test_composed_configs(scale, configs, golden):
    study = at(scale)
    composed = {name: configs(name, study, train_images=2000) for name in study.cells}
    golden(f"compose-{scale}.txt", golden_texts.beside_each_other(composed))


def in_scale(study: Study, **values) -> Study:
    return dataclasses.replace(
        study, scales={**study.scales, study.scale: dataclasses.replace(study.training, **values)}
    )


def in_row(study: Study, **values) -> Study:
    return dataclasses.replace(
        study, cells={**study.cells, FIRST: dataclasses.replace(study.cells[FIRST], **values)}
    )


def in_data(study: Study, **values) -> Study:
    return dataclasses.replace(study, data=dataclasses.replace(study.data, **values))


SWITCHES = {
    "amp: bf16": lambda study: in_scale(study, amp="bf16"),
    "amp: fp16": lambda study: in_scale(study, amp="fp16"),
    "channels_last": lambda study: in_scale(study, channels_last=True),
    "compile": lambda study: in_scale(study, compile=True),
    "cudnn_benchmark": lambda study: in_scale(study, cudnn_benchmark=True),
    "clip_grad: 5": lambda study: in_scale(study, clip_grad=5.0),
    "device_batch: 2": lambda study: in_scale(study, device_batch=2),
    "early_stopping: 3": lambda study: in_scale(study, early_stopping=3),
    "first_validation: 5": lambda study: in_scale(study, first_validation=5),
    "ema: 0.001": lambda study: in_scale(study, ema=0.001),
    "processes: 2": lambda study: in_scale(study, processes=2),
    "reduced": lambda study: in_scale(study, reduced=True),
    "tf32": lambda study: in_scale(study, tf32=True),
    "warmup_iterations: 0": lambda study: in_scale(study, warmup_iterations=0),
    "weights: none": lambda study: in_scale(study, weights="none"),
    "activation_checkpointing of a row": lambda study: in_row(study, activation_checkpointing=True),
    "batch_size: 16 of a row": lambda study: in_row(study, batch_size=16),
    "device_batch: 4 of a row": lambda study: in_row(study, device_batch=4),
    "epochs: 20 of a row": lambda study: in_row(study, epochs=20),
    "fold: 1 of a row": lambda study: in_data(in_row(study, fold=1), folds=2),
    "lr: 0.1 of a row": lambda study: in_row(study, lr=0.1),
    "seed: 5 of a row": lambda study: in_row(study, seed=5),
    "max_detections: 3000": lambda study: in_data(study, max_detections=3000),
}


def test_what_each_switch_changes_in_a_config(configs, golden):
    plain = configs(FIRST, at("full"))
    lines = []
    for name, switch in SWITCHES.items():
        changed = golden_texts.changes(plain, configs(FIRST, switch(at("full"))))
        assert changed, f"{name} changes nothing"
        lines += [name, *(f"    {line}" for line in changed)]
    lines += [
        "20 images",
        *(
            f"    {line}"
            for line in golden_texts.changes(
                plain, configs(FIRST, at("full"), train_images=20, train_indices=[1, 3])
            )
        ),
    ]
    golden("compose-switches.txt", "\n".join(lines) + "\n")


def test_divisions_of_images(golden):
    """The splits, folds and shares of a seed: another division would make every earlier result another set's."""
    lines = []
    for images, shares, seed in (
        (60, (0.7, 0.15, 0.15), 0),
        (60, (0.7, 0.15, 0.15), 1),
        (45, (0.2,) * 5, 0),
        (300, (0.6, 0.2, 0.2), 0),
    ):
        counts, groups = long_tailed(images, 6, seed)
        parts = assign(counts, groups, shares, seed)
        lines.append(f"{images} images, shares {shares}, seed {seed}")
        lines += textwrap.wrap("".join(map(str, parts.tolist())), 60)
        ordered = train_order(counts, groups, seed)
        lines += textwrap.wrap(" ".join(str(members[0]) for members in ordered))
    golden("divisions.txt", "\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def matrix(tmp_path_factory) -> tuple[Path, list]:
    root = tmp_path_factory.mktemp("golden")
    return root, golden_matrix.write(root)


def test_a_choice_that_is_shown(matrix, golden):
    root, cells = matrix
    judgement = golden_matrix.judged(cells, root, margin=0.2)
    assert judgement.choice.shown and judgement.choice.chosen != judgement.choice.best
    golden("conclusions-shown.txt", golden_matrix.conclusions(cells, judgement))
    listed = [*golden_matrix.ROWS, golden_matrix.HOLE]
    golden("report.md", report(cells, root / "reports", judgement, listed=listed)["report.md"])


def test_a_choice_that_test_contradicts(matrix, golden):
    root, cells = matrix
    judgement = golden_matrix.judged(cells, root, margin=0.001)
    assert judgement.obstructed
    golden("conclusions-contradicted.txt", golden_matrix.conclusions(cells, judgement))


def test_a_choice_that_is_not_shown(matrix, golden):
    root, cells = matrix
    close = [cell for cell in cells if cell.name != X101]
    judgement = golden_matrix.judged(close, root, margin=0.02)
    assert not judgement.choice.shown and not judgement.obstructed
    golden("conclusions-not-shown.txt", golden_matrix.conclusions(close, judgement))


def test_a_choice_without_costs_and_by_another_metric(matrix, golden):
    root, cells = matrix
    bare = golden_matrix.without_costs(cells)
    judgement = golden_matrix.judged(
        bare, root, margin=0.2, metric="val/bbox_mAP_75", cost="size_mib"
    )
    golden("conclusions-without-costs.txt", golden_matrix.conclusions(bare, judgement))
