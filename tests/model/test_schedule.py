"""A training reaches its learning rate however few its steps, and what is recorded was in force."""

from __future__ import annotations

import dataclasses
import json
import logging

import mmengine.optim  # noqa: F401  registers the schedulers
import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS

from stages import compose as compose_stage
from stages import plan
from stages.errors import InputError
from stages.model import resolve, schedule
from stages.model.compose import compose
from stages.study import params, paths
from stages.study.params import load_study
from stages.training import cell_file

R50 = "faster_rcnn-r50-fpn-sgd-512"
MINIATURE = load_study()
FULL = dataclasses.replace(MINIATURE, scale="full")


def changed(study, **values):
    """The study with other values in its scale's block."""
    block = dataclasses.replace(study.training, **values)
    return dataclasses.replace(study, scales={**study.scales, study.scale: block})


def rates(study, images: int) -> list[float]:
    """The rate of each optimizer step, from MMEngine's own schedulers as the config builds them."""
    cell = study.cell(R50)
    cfg = compose(R50, study, ["a"], "images", train_images=images)
    lr = cfg.optim_wrapper.optimizer.lr
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    per_epoch = schedule.passes_per_epoch(cell, study, images)
    built = [
        (part.by_epoch, PARAM_SCHEDULERS.build({**part, "optimizer": optimizer}))
        for part in cfg.param_scheduler
    ]
    lrs = []
    for index in range(per_epoch * cfg.train_cfg.max_epochs):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for by_epoch, scheduler in built:
            if not by_epoch or (index + 1) % per_epoch == 0:
                scheduler.step()
    return lrs


@pytest.mark.parametrize("images", [1, 3, 20, 100, 269, 1300])
def test_every_set_reaches_its_rate_before_it_falls(images):
    cell = FULL.cell(R50)
    wanted = schedule.learning_rate(cell, FULL)
    lrs = rates(FULL, images)
    full = [index for index, rate in enumerate(lrs) if rate == pytest.approx(wanted)]
    falls = schedule.steps(cell, FULL, images, FULL.training.milestones[0])
    # Two thirds of the steps before the first milestone, and one more at the end of the warm-up.
    assert full[-1] == falls - 1 and len(full) >= 2 * falls / 3
    assert max(lrs) == pytest.approx(wanted)


def test_the_warm_up_of_params_yaml_holds_where_it_fits():
    cell = FULL.cell(R50)
    assert schedule.warmup(cell, FULL, 1200) == 500 and schedule.warmup(cell, FULL, 1190) == 496
    assert schedule.warmup(cell, FULL, 4883) == 500
    assert not schedule.warmup_note(cell, FULL, 4883)
    # Without milestones the whole training counts, which is 15 epochs of 38 steps.
    assert schedule.warmup(cell, changed(FULL, milestones=[]), 300) == 190


def test_the_miniature_is_as_it_was():
    """26 of the 80 steps before its milestone."""
    known, unknown = (
        compose(R50, MINIATURE, ["a"], "images", train_images=number) for number in (160, None)
    )
    assert known.to_dict() == unknown.to_dict() and known.param_scheduler[0].end == 26


@pytest.mark.parametrize(
    ("device_batch", "processes", "passes"), [(0, 1, 13), (2, 1, 50), (2, 2, 25)]
)
def test_steps_of_several_passes_and_processes(device_batch, processes, passes):
    """100 images in batches of 8, the last one smaller."""
    study = changed(FULL, device_batch=device_batch, processes=processes)
    cell = study.cell(R50)
    assert schedule.passes_per_epoch(cell, study, 100) == passes
    assert schedule.steps(cell, study, 100, 1) == passes // schedule.passes(cell, study)


def write_prepared(folder, images: int) -> None:
    """As stage prepare writes it, with an image without a box and one too small for MMDetection beside."""
    sizes = [(64, 64)] * (images + 1) + [(64, 31)]
    content = {
        "info": {"source": "coco", "image_root": "images"},
        "categories": [{"id": 1, "name": "cup"}],
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": width, "height": height}
            for number, (width, height) in enumerate(sizes, 1)
        ],
        "annotations": [
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "bbox": [1, 1, 20, 20],
                "area": 400,
                "iscrowd": 0,
            }
            for number in range(1, len(sizes) + 1)
            if number != images + 1
        ],
    }
    (folder / "data" / "prepared").mkdir(parents=True)
    for split in ("train", "val"):
        (folder / "data" / "prepared" / f"{split}.json").write_text(
            json.dumps(content), encoding="utf-8"
        )


def test_a_shorter_warm_up_is_said_and_recorded(tmp_path, monkeypatch, caplog):
    """20 images at batch 8 and 15 epochs: 30 steps before the milestone, where params.yaml asks for 500."""
    write_prepared(tmp_path, 20)
    monkeypatch.chdir(tmp_path)
    prepared = resolve.read_prepared(FULL)
    assert prepared["train_images"] == 20
    study = dataclasses.replace(FULL, cells={R50: FULL.cell(R50)})
    monkeypatch.setattr(params, "load_study", lambda: study)
    with caplog.at_level(logging.WARNING):
        compose_stage.main()
    written = cell_file.read(paths.cell(R50))
    line = (
        "20 training images make 45 steps, too few for a warm-up of 500; it takes 10 "
        "(scales.full.warmup_iterations)"
    )
    assert caplog.messages == [f"{R50}: {line}"]
    assert written.config.param_scheduler[0].end == 10
    assert written.training["warmup_iterations"] == 10


def test_plan_says_it_once_for_the_demo_set(caplog):
    with caplog.at_level(logging.WARNING):
        plan.say_warmups(FULL)
        plan.say_warmups(MINIATURE)
        plan.say_warmups(
            dataclasses.replace(FULL, data=dataclasses.replace(FULL.data, source="coco"))
        )
    assert caplog.messages == [
        "13 of the cells: 160 training images make 300 steps, too few for a warm-up of 500; it "
        "takes 66 (scales.full.warmup_iterations)"
    ]


def test_images_that_make_no_step_are_refused_before_the_training(tmp_path, monkeypatch):
    """3 images are 2 passes of 2, and a step sums 4."""
    write_prepared(tmp_path, 3)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match="an epoch has fewer images than one optimizer step; lower batch_size"
    ):
        resolve.config(R50, changed(FULL, device_batch=2), resolve.read_prepared(FULL))
