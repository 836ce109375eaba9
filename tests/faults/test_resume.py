"""A training that is killed and started again ends bit-equal to one that never stopped."""

from __future__ import annotations

import pytest
import torch
from trainings import R50, assert_equal, shared_trainings  # noqa: F401

# Where the kernel ends the training, and whether it keeps a state after every step until then.
POINTS = {
    "in the first step": ("backward:1",),
    "between gradients and update": ("every", "backward:7"),
    "in a validation": ("score:3",),
    "with half of a state written": ("every", "half:300"),
    "between write and rename": ("every", "rename:12"),
    "after the rename, before the pointer": ("every", "renamed:13"),
    "while old states and checkpoints go": ("every", "unlink:9"),
}


QUICK = ("between gradients and update", "between write and rename")


@pytest.mark.parametrize(
    "point",
    [point if point in QUICK else pytest.param(point, marks=pytest.mark.slow) for point in POINTS],
)
def test_killed_in_a_training(trainings, point):
    expected = trainings.fresh()
    assert trainings.train(*POINTS[point]) == 137
    trainings.goes_on(expected)
    assert not list((trainings.folder / ".work").glob("*/settings.json"))


@pytest.mark.parametrize(
    "number", [3, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 5))]
)
def test_killed_while_the_outs_are_put_in_place(trainings, number):
    expected = trainings.fresh()
    assert trainings.train(f"link:{number}") == 137
    trainings.goes_on(expected)
    assert "already trained" in trainings.said


@pytest.mark.slow
def test_killed_before_dvc_took_note(trainings):
    # DVC removes the outs of a stage whose end it did not see, and runs it again.
    trainings.fresh()
    env = {"DVC_STAGE": f"stages/dvc.yaml:train@{R50}"}
    assert trainings.train(**env) == 0
    first = trainings.result()
    assert trainings.train(**env) == 0 and "already trained" in trainings.said
    again = trainings.result()
    assert_equal(again, first)
    assert again["training_id"] == first["training_id"]
    # The disk holds the finished files and nothing to go on from.
    assert {path.name for path in trainings.scratch.iterdir()} == {
        "best.pth",
        "last.pth",
        "config.py",
        "history.csv",
        "run.json",
        "settings.json",
        "finished",
    }


@pytest.mark.slow
def test_killed_again_and_again(trainings):
    expected = trainings.fresh()
    reached = [0]
    for step in (4, 4, 3):
        assert trainings.train("every", f"step:{step}") == 137
        reached.append(trainings.states()[0]["step"])
    assert reached == sorted(set(reached))
    trainings.goes_on(expected)
    assert f"resuming from step {reached[-1]} of" in trainings.said


@pytest.mark.parametrize(
    "scale",
    [
        {"ema": 0.05, "device_batch": 1, "batch_size": 3, "early_stopping": 1},
        pytest.param({"workers": 2}, marks=pytest.mark.slow),
    ],
    ids=["average, sums over passes and early stopping", "two loader processes"],
)
def test_all_that_a_step_depends_on_is_kept(trainings, scale):
    expected = trainings.fresh(**scale)
    # 16 passes an epoch are five steps of three and a third of one: an epoch ends between two steps.
    assert trainings.train("every", "step:8") == 137
    assert trainings.train("every", "score:3") == 137
    trainings.goes_on(expected)


def test_an_epoch_that_is_not_validated_is_no_loss(trainings):
    expected = trainings.fresh(first_validation=2)
    # The newest state is that of the end of the first epoch, which waits for no validation.
    assert trainings.train("step:6") == 137
    trainings.goes_on(expected)


@pytest.mark.slow
def test_loader_processes_change_no_bit(trainings):
    alone, two = trainings.fresh(), trainings.fresh(workers=2)
    assert alone["history"] == two["history"]
    ours, theirs = (result["last"]["state_dict"] for result in (alone, two))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
def test_changed_parameters_start_afresh_and_say_so(trainings):
    trainings.fresh()
    expected = trainings.fresh(clip_grad=5)
    trainings.fresh()
    assert trainings.train("step:6") == 137
    old = trainings.scratch
    trainings.project.set_params(lambda values: values["scales"]["miniature"].update(clip_grad=5))
    assert trainings.train("step:6") == 137
    assert (
        f"{R50}: starting over, not resuming from step 4 of .work/{old.name}: clip_grad 1.0 -> 5.0"
        in trainings.said
    )
    # What it does not go on from stays until the new training has ended.
    assert old.is_dir()
    trainings.goes_on(expected)
    assert not old.exists()


@pytest.mark.slow
def test_changed_data_and_code_start_afresh(trainings):
    trainings.fresh()
    annotations = trainings.folder / "data/prepared/train.json"
    text, code = (
        annotations.read_text(encoding="utf-8"),
        trainings.folder / "stages/training/order.py",
    )
    source = code.read_text(encoding="utf-8")
    try:
        assert trainings.train("step:6") == 137
        annotations.write_text(text + " ", encoding="utf-8")
        assert trainings.train("step:1") == 137 and "digest of train differs" in trainings.said
        annotations.write_text(text, encoding="utf-8")
        code.write_text(source + "# edited\n", encoding="utf-8")
        assert (
            trainings.train("step:1") == 137
            and "starting over, not resuming from step 4" in trainings.said
        )
        assert "digest of the code differs" in trainings.said
    finally:
        annotations.write_text(text, encoding="utf-8")
        code.write_text(source, encoding="utf-8")
