"""params.yaml is read as DVC reads it, and what YAML would take in silence for something else is named
with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.study import yaml_text
from stages.study.params import ROOT, load_study
from stages.study.strict import StudyError

FIRST = "faster_rcnn-r50-fpn-sgd-512"


def edited(tmp_path: Path, old: str, new: str) -> Path:
    """params.yaml with `old`, which stands there once, replaced as a person would do it."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    (tmp_path / "params.yaml").write_text(text.replace(old, new), encoding="utf-8")
    return tmp_path / "params.yaml"


def test_a_number_is_what_dvc_wrote(tmp_path):
    from dvc.utils.hydra import apply_overrides

    path = edited(tmp_path, "adamw: 0.0016", "adamw: 0.001")
    apply_overrides(path, ["scales.miniature.lr.adamw=0.00001"])
    assert "adamw: 1e-05" in path.read_text(encoding="utf-8")
    assert load_study(path).scales["miniature"].lr["adamw"] == 0.00001


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("0o17", 15),
        ("010", 10),
        ("1_000", 1000),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("1.0E+2", 100.0),
    ],
)
def test_a_value_is_what_dvc_reads(text, value):
    from dvc.utils.serialize import parse_yaml

    assert yaml_text.loads(f"a: {text}") == parse_yaml(f"a: {text}", "params.yaml") == {"a": value}
    assert type(yaml_text.loads(text)) is type(value)


@pytest.mark.parametrize(
    "name", ["1e-3", "7e1", "1_000", "0x10", "007", "123", "true", "null", "2024-01-01"]
)
def test_a_name_that_is_read_as_no_text_needs_quotes(tmp_path, name):
    path = edited(tmp_path, f"  {FIRST}:", f"  {name}:")
    line = path.read_text(encoding="utf-8").split(f"  {name}:")[0].count("\n") + 1
    with pytest.raises(StudyError) as caught:
        load_study(path)
    assert str(caught.value).startswith(
        f"params.yaml: line {line}: cells.{name}: the name {name} is read as "
    )
    assert str(caught.value).endswith(f'; put it in quotes: "{name}"')
    assert name in load_study(edited(tmp_path, f"  {FIRST}:", f'  "{name}":')).cells


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "seed: 0\n",
            "seed: 0\nseed: 1\n",
            "line 6: seed: this key stands in line 5 too; rename or remove one of them",
        ),
        (
            "    epochs: 3\n",
            "    epochs: 3\n    epochs: 4\n",
            "scales.miniature.epochs: this key stands in line ",
        ),
        (
            "    holds: {train/loss: sgd > adamw,",
            "    claim: again\n    holds: {train/loss: sgd > adamw,",
            "hypotheses[5].claim: this key stands in line ",
        ),
    ],
)
def test_a_key_that_stands_twice_is_named_with_its_lines(tmp_path, old, new, expected):
    with pytest.raises(StudyError) as caught:
        load_study(edited(tmp_path, old, new))
    assert expected in str(caught.value) and str(caught.value).startswith("params.yaml: line ")
    assert "\n" not in str(caught.value)


def test_a_copied_row_keeps_its_first_one_in_sight(tmp_path):
    row = next(
        line
        for line in (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
        if line.startswith(f"  {FIRST}:")
    )
    with pytest.raises(StudyError, match=rf"cells\.{FIRST}: this key stands in line \d+ too"):
        load_study(edited(tmp_path, f"{row}\n", f"{row}\n{row.replace('}', ', lr: 0.03}')}\n"))


def test_aliases_and_merges_are_no_repeated_keys():
    text = "base: &base {lr: 1, seed: 1}\nrow: {<<: *base, lr: 2}\n"
    assert yaml_text.loads(text)["row"] == {"lr": 2, "seed": 1}


def test_aliases_that_multiply_cost_nothing():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]"
        for before, name in zip("abcdefghi", "bcdefghij")
    ]
    assert list(yaml_text.loads("\n".join(lines))) == list("abcdefghij")


def test_a_tab_is_named_with_its_remedy():
    with pytest.raises(yaml_text.UnreadableYaml, match=r"^line 2: .*; indent with spaces"):
        yaml_text.loads("a:\n\tb: 1\n")
