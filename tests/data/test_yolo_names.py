"""Class names of YOLO sets: the text that is written, whatever YAML 1.1 would make of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from broken_sets import Healthy
from broken_sets.outcome import Outcome

from stages.data.findings import Findings
from stages.data.sources.yolo_names import read_class_names


def names(root: Path, tmp_path: Path) -> tuple[dict[int, str], list[dict]]:
    """The names by class number, and the findings."""
    findings = Findings({}, tmp_path / "changes.csv")
    categories = read_class_names(root, {"split": "train", "source": "labels"}, findings)
    findings.close()
    return {category["id"]: category["name"] for category in categories or []}, findings.as_list()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("names: [yes, no, on, off]", ["yes", "no", "on", "off"]),
        (
            "names: [y, N, True, false, null, ~, .inf, 1e3]",
            ["y", "N", "True", "false", "null", "~", ".inf", "1e3"],
        ),
        (
            "names: [007, 0x10, 1_000, 1.10, 1.1, 12:30:45]",
            ["007", "0x10", "1_000", "1.10", "1.1", "12:30:45"],
        ),
        ("names: [2024-01-02, a, 2024-99-99]", ["2024-01-02", "a", "2024-99-99"]),
        ("names:\n  '0': cat\n  '1': dog", ["cat", "dog"]),
        ('names:\n  "1": dog\n  0: cat', ["cat", "dog"]),
        ("names: {01: no, 00: yes}", ["yes", "no"]),
        (
            "names:\n- yes  # the first\n- 'no'\n- \"on\"\n- !!str off\n- a b",
            ["yes", "no", "on", "off", "a b"],
        ),
        ("names: [=, <<, Äpfel, 'it''s', \"\\u00c4\"]", ["=", "<<", "Äpfel", "it's", "Ä"]),
        ("names: &all [on, off]\nvalues: *all", ["on", "off"]),
        ("train: images\nnames: [can, can]", ["can", "can"]),
    ],
)
def test_names_are_the_text_that_is_written(text, expected, tmp_path):
    (tmp_path / "data.yaml").write_text(text, encoding="utf-8")
    found, findings = names(tmp_path, tmp_path)
    assert list(found.values()) == expected and list(found) == list(range(len(expected)))
    assert not findings


def test_class_numbers_with_a_gap_stay(tmp_path):
    (tmp_path / "data.yaml").write_text("nc: 2\nnames: {7: on, 3: off}\n")
    assert names(tmp_path, tmp_path) == ({3: "off", 7: "on"}, [])


@pytest.mark.parametrize("file", ["data.yml", "set.yaml", "dataset.yaml"])
def test_names_in_a_yaml_file_of_another_name(file, tmp_path):
    (tmp_path / "args.yaml").write_text("epochs: 3\n")
    (tmp_path / file).write_text("names: [on, off]\n")
    assert names(tmp_path, tmp_path) == ({0: "on", 1: "off"}, [])


def test_names_in_a_file_that_the_yaml_file_names(tmp_path):
    (tmp_path / "data.yaml").write_text("nc: 2\nnames: obj.names\n")
    (tmp_path / "obj.names").write_text("\ufeffon\r\noff\r\n", encoding="utf-8")
    assert names(tmp_path, tmp_path) == ({0: "on", 1: "off"}, [])


@pytest.mark.parametrize("file", ["classes.txt", "obj.names"])
def test_names_of_a_list_keep_their_lines(file, tmp_path):
    (tmp_path / "data.yaml").write_text("names: []\n")
    (tmp_path / file).write_text("on\noff\n\n007\n\n")
    assert names(tmp_path, tmp_path) == ({0: "on", 1: "off", 2: "", 3: "007"}, [])


def test_a_file_of_names_outside_the_set_is_not_read(tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("a\nb\n")
    (root / "data.yaml").write_text("names: ../secret.txt\n")
    found, (finding,) = names(root, tmp_path)
    assert (
        not found
        and finding["code"] == "names_missing"
        and "leads out" in finding["examples"][0]["note"]
    )


def test_aliases_of_aliases_are_not_unfolded(tmp_path):
    laughs = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 30))
    (tmp_path / "data.yaml").write_text(f"l0: &l0 ha\n{laughs}\nnames: *l29\n")
    found, (finding,) = names(tmp_path, tmp_path)
    assert not found and "a name is a list" in finding["examples"][0]["note"]


@pytest.mark.parametrize("text", ["names: [yes, 'no', on]", "names: {'0': yes, '1': no, '2': on}"])
def test_boxes_have_the_classes_as_written(text, tmp_path):
    broken = Healthy(tmp_path / "healthy").copy(tmp_path / "set", "yolo")
    (broken.root / "data.yaml").write_text(text)
    called = {"can": "yes", "bag": "no", "cup": "on"}
    outcome = Outcome(broken, tmp_path / "prepared")
    assert not outcome.error and not outcome.found
    assert outcome.report["classes"] == ["yes", "no", "on"]
    assert outcome.boxes() == {
        file: sorted((called[box[0]], *box[1:]) for box in boxes)
        for file, boxes in broken.expected.items()
    }
