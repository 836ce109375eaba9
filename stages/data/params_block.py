"""The block `data:` of params.yaml for a set that was recognised, to paste or to write."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from stages.files import replacing
from stages.study.params import Data, Source
from stages.study.paths import SPLITS

# What `make data-check` finds out; the rest of the block stays.
_KEYS = ("name", "source", "root", "folds", "fold")


def block(path: Path, data: Data) -> str:
    """The text of the block `data:` of the file `path`, with the set of `data` in it; comments
    stay."""
    out = io.StringIO()
    _yaml().dump(_changed(path, data), out)
    lines = out.getvalue().splitlines()
    start = lines.index("data:")
    end = start + 1
    while end < len(lines) and (lines[end].startswith(" ") or not lines[end]):
        end += 1
    return "\n".join(lines[start:end]).rstrip() + "\n"


def write(path: Path, data: Data) -> None:
    """Replaces the file at once; all that has nothing to do with the set stays, comments too."""
    content = _changed(path, data)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        _yaml().dump(content, file)


def _changed(path: Path, data: Data) -> Any:
    content = _yaml().load(path.read_text(encoding="utf-8"))
    part = content["data"]
    for key in _KEYS:
        if key in part or key in ("source", "root"):
            part[key] = _text(getattr(data, key))
    for split in SPLITS:
        _set_source(part, split, getattr(data, split))
    if dict(part.get("policy") or {}) != data.policy:
        policy = CommentedMap(data.policy)
        policy.fa.set_flow_style()
        part["policy"] = policy
    return content


def _set_source(part: CommentedMap, split: str, source: Source) -> None:
    if not isinstance(part.get(split), CommentedMap):
        part[split] = CommentedMap()
        part[split].fa.set_flow_style()
    if isinstance(source.annotations, list):
        names = CommentedSeq(map(_text, source.annotations))
        names.fa.set_flow_style()
        part[split]["annotations"] = names
    else:
        part[split]["annotations"] = _text(source.annotations)
    part[split]["images"] = _text(source.images)


def _text(value: Any) -> Any:
    """Quoted where YAML 1.1, as which PyYAML reads, would take the text for something else."""
    if not isinstance(value, str):
        return value
    try:
        plain = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError):
        plain = None
    if plain == value:
        return value
    return DoubleQuotedScalarString(value)


def _yaml() -> YAML:
    text = YAML()
    text.preserve_quotes = True
    # As params.yaml is written: long lines stay whole, and lists are indented.
    text.width = 4096
    text.indent(mapping=2, sequence=4, offset=2)
    text.Representer = _Representer
    return text


class _Representer(RoundTripRepresenter):
    """Writes null, which ruamel.yaml would leave out."""


_Representer.add_representer(
    type(None),
    lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null"),
)
