"""A cell's file, data/cells/<cell>.py: all that decides its training but the data, the weights and
the code.

It is an MMDetection config of plain values, and `training` beside MMDetection's own keys: the row's
factors, the numbers in force, and what MMDetection has no key for (the fold, pretrained weights,
processes, threads). What is not in it decides nothing: loader processes, the image cache, how often
something is logged, where tracking goes.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from stages.errors import InputError

# Characters of a line; what fits in one stands in one.
_WIDTH = 100


@dataclass(frozen=True)
class ResolvedCell:
    """name: of the row. text: of the file. config: MMDetection's keys. training: what `training` in
    the file says."""

    name: str
    text: str
    config: Config
    training: dict[str, Any]


def read(path: Path) -> ResolvedCell:
    """The cell of a file that stage compose wrote. Nothing in the file is run.

    Raises InputError where it is missing or damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = {}
        for line in ast.parse(text).body:
            values[line.targets[0].id] = ast.literal_eval(line.value)
        training = values.pop("training")
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such cell; run dvc repro compose, or python -m stages.compose"
        ) from None
    except (
        SyntaxError,
        ValueError,
        AttributeError,
        KeyError,
        RecursionError,
        MemoryError,
    ) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputError(
            f"{path}: is damaged ({reason}); dvc repro puts it back or makes it again"
        ) from None
    # MMEngine writes the config out three times for itself, which nobody reads: unformatted, that
    # costs no time.
    return ResolvedCell(path.stem, text, Config(values, format_python_code=False), training)


def text_of(config: dict[str, Any], training: dict[str, Any]) -> str:
    """The content of a cell's file: a line or a block per key, in the order of the keys."""
    text = ""
    for key, value in {**config, "training": training}.items():
        text += f"{key} = {_literal(value, len(key) + 3, 0)}\n"
    return text


def _literal(value: Any, column: int, indent: int) -> str:
    """`value` as Python text that starts in a column of a line which is indented by so many
    blanks."""
    flat = repr(value)
    if column + len(flat) < _WIDTH or not isinstance(value, dict | list | tuple) or not value:
        return flat
    inner = indent + 4
    lines = []
    if isinstance(value, dict):
        opening, closing = "{}"
        for key, entry in value.items():
            start = f"{key!r}: "
            lines.append(start + _literal(entry, inner + len(start) + 1, inner))
    else:
        opening, closing = "[]"
        if isinstance(value, tuple):
            opening, closing = "()"
        for entry in value:
            lines.append(_literal(entry, inner + 1, inner))
    text = f"{opening}\n"
    for line in lines:
        text += f"{' ' * inner}{line},\n"
    return f"{text}{' ' * indent}{closing}"
