"""A training's files: whole or not there, checked before they are used, and never a reason to run what they hold."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
import torch
from disks import mount, resize, unmount
from trainings import R50, assert_equal, shared_trainings  # noqa: F401

from stages.errors import InputError
from stages.safety import states


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def corrupt(path):
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 3)
        file.write(b"\xff" * 64)


@pytest.fixture
def folder(tmp_path):
    """Two states, of the steps 4 and 5."""
    for step in (3, 4, 5):
        weights = torch.full((1000,), float(step))
        states.save_state(tmp_path, {"best": {"epoch": 1}, "step": step, "weights": weights}, step)
    return tmp_path


@pytest.mark.parametrize(
    "damage",
    [truncate, corrupt, lambda path: path.unlink(), lambda path: path.write_bytes(b"")],
    ids=["truncated", "corrupt", "gone", "empty"],
)
def test_a_damaged_state_gives_way_to_the_one_before(folder, damage, caplog):
    damage(folder / "state-5.pth")
    found = states.load_state(folder)
    assert found["step"] == 4 and torch.equal(found["weights"], torch.full((1000,), 4.0))
    if (folder / "state-5.pth").exists() or caplog.text:
        assert (
            "state-5.pth: damaged" in caplog.text
            and "falling back to the previous state" in caplog.text
        )
    # The next one that is written does not push the good one out.
    states.save_state(folder, {"best": None, "step": 6}, 6)
    assert sorted(path.name for path in folder.glob("state-*.pth")) == [
        "state-4.pth",
        "state-6.pth",
    ]


def test_a_damaged_pointer_costs_nothing(folder):
    for content in (
        "",
        '{"states": [',
        '{"states": 3}',
        '{"states": [{"file": "../../x", "step": 5}]}',
        "[]",
    ):
        (folder / "state.json").write_text(content, encoding="utf-8")
        assert states.load_state(folder)["step"] == 5


def test_both_states_damaged_is_a_start_from_nothing(folder):
    for step in (4, 5):
        truncate(folder / f"state-{step}.pth")
    assert states.load_state(folder) is None


class Evil:
    def __reduce__(self):
        return os.system, ("touch ran",)


def test_a_state_that_holds_code_is_not_opened(folder, monkeypatch):
    monkeypatch.chdir(folder)
    path = folder / "state-5.pth"
    torch.save({"step": 5, "weights": Evil()}, path)
    # Even by somebody who writes the pointer as well.
    pointer = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    pointer["states"][0].update(
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(), bytes=path.stat().st_size
    )
    (folder / "state.json").write_text(json.dumps(pointer), encoding="utf-8")
    with pytest.raises(
        InputError,
        match=r"state-5\.pth: holds more than tensors and plain values and is not opened",
    ):
        states.load_state(folder)
    (folder / "state.json").unlink()
    with pytest.raises(InputError, match="holds more than tensors"):
        states.load_state(folder)
    assert not (folder / "ran").exists()


def test_a_training_goes_on_past_damaged_files(trainings):
    expected = trainings.fresh()
    assert trainings.train("every", "step:7") == 137
    newest, older = trainings.states()
    truncate(trainings.scratch / newest["file"])
    (trainings.scratch / "history.csv").write_bytes(b"step,epo")
    assert trainings.train() == 0
    assert (
        ": damaged (" in trainings.said
        and f"{R50}: resuming from step {older['step']} of" in trainings.said
    )
    assert_equal(trainings.result(), expected)


def test_a_full_disk_ends_with_one_line_and_loses_nothing(trainings):
    expected = trainings.fresh()
    scratch = trainings.folder / ".work"
    # A state is 21 MB, a checkpoint 11: the first state fits, the next one does not.
    mount(scratch, 40)
    try:
        assert trainings.train() == 1
        lines = trainings.said.splitlines()
        assert "Traceback" not in trainings.said
        assert lines[-1].startswith("train: .work/") and lines[-1].endswith(
            "no space left on device; free some space, and the same command resumes from step 4, whose state is saved"
        )
        # Again before there is space: the same line, and the state is still there.
        assert trainings.train() == 1 and "whose state is saved" in trainings.said
        assert trainings.states()[0]["step"] == 4
        resize(scratch, 200)
        trainings.goes_on(expected)
        assert f"{R50}: resuming from step 4" in trainings.said
    finally:
        unmount(scratch)
