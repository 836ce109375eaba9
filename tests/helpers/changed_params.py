"""params.yaml with a change, read as the stages read it."""

from __future__ import annotations

import copy
from pathlib import Path

from stages.study import yaml_text
from stages.study.params import ROOT, load_study

VALUES = yaml_text.loads((ROOT / "params.yaml").read_text(encoding="utf-8"))


def read(tmp_path: Path, change) -> None:
    values = copy.deepcopy(VALUES)
    change(values)
    path = tmp_path / "params.yaml"
    path.write_text(yaml_text.dumps(values), encoding="utf-8")
    return load_study(path)


def assign(dotted: str, value):
    def change(values):
        *parents, last = dotted.split("/")
        for key in parents:
            values = values[key]
        if value is KeyError:
            del values[last]
        else:
            values[last] = value

    return change
