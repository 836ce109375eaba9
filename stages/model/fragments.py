"""Checks a fragment in configs/, which a row of params.yaml names: whether it sets what it is for,
and nothing that would be ignored. It is not run as a program."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

from stages.model.config_file import bases, keyed_values
from stages.study.params import ROOT
from stages.study.strict import StudyError

# What a fragment must set, itself or in a file that it is based on, and what for.
NEEDED_KEYS = {
    "detector": {
        "model.type": "the class of the detector",
        "model.test_cfg": "how its detections are chosen",
    },
    "backbone": {
        "model.backbone.type": "the class of the backbone",
        "model.neck.in_channels": "the channels of its outputs, which the neck takes",
    },
    "neck": {"model.neck.type": "the class of the neck"},
    "optimizer": {"optim_wrapper.optimizer.type": "the class of the optimizer"},
}
# What a fragment may set: compose reads nothing else of it.
READ_KEYS = {
    "detector": ("model", "miniature"),
    "backbone": ("model", "from_scratch", "miniature"),
    "neck": ("model",),
    "optimizer": ("optim_wrapper",),
}


def check_fragment(part: str, name: str, root: Path = ROOT) -> None:
    """Raises StudyError where a fragment lacks what it is for, or sets what compose does not read:
    one line with the file, the key and the remedy.

    part: a key of NEEDED. A file that does more than assign values is taken on trust, and so are
    bases: a whole config of MMDetection sets much that is no part of a fragment.
    """
    path = Path("configs") / f"{part}s" / f"{name}.py"
    file = (root / path).resolve()
    try:
        keys = set(_keys(file, root.resolve()))
    except _Computed:
        return
    for key, purpose in NEEDED_KEYS[part].items():
        if key not in keys:
            raise StudyError(f"{path}: lacks {key}, {purpose}; see docs/extending.md")
    for key in _unread(_statements(file, root.resolve(), ()), READ_KEYS[part]):
        near = difflib.get_close_matches(key, READ_KEYS[part], 1)
        meant = f"; is it meant for {near[0]}?" if near else ""
        raise StudyError(
            f"{path}: {key} is read by nothing; the file may set {', '.join(READ_KEYS[part])}{meant}"
        )


def _unread(lines: Sequence[ast.stmt], read: Sequence[str]) -> list[str]:
    """The names that the lines of a file assign, that are not `read`, and that no line uses."""
    assigned, used = [], {"_base_", *read}
    for line in lines:
        for node in ast.walk(line):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                assigned.append(node.id)
            elif isinstance(node, ast.Name):
                used.add(node.id)
    return [name for name in assigned if name not in used]


class _Computed(Exception):
    """The file does more than assign values."""


def _keys(path: Path, root: Path, above: tuple[Path, ...] = ()) -> Iterator[str]:
    """The dotted keys of all that a config file and its bases assign.

    above: the files that it is a base of, the nearest last. Raises StudyError with the file, below
    `root` where it is, that cannot be read.
    """
    for line in _statements(path, root, above):
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
            continue
        if not isinstance(line, ast.Assign) or not isinstance(line.targets[0], ast.Name):
            raise _Computed
        name = line.targets[0].id
        if name == "_base_":
            for base in bases(line, path):
                yield from _keys(base, root, (*above, path))
        else:
            yield from _dotted(name, line.value)


def _statements(path: Path, root: Path, above: tuple[Path, ...]) -> list[ast.stmt]:
    place = _below(path, root)
    if path in above:
        raise StudyError(f"{place}: _base_ leads back to the file itself")
    try:
        return ast.parse(path.read_text(encoding="utf-8")).body
    except SyntaxError as error:
        # None for a null, which no line is named for.
        raise StudyError(f"{place}: line {error.lineno or 1}: {error.msg}") from None
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        if above:
            raise StudyError(f"{_below(above[-1], root)}: _base_ {place}: {reason}") from None
        raise StudyError(f"{place}: {reason}") from None
    # Bytes that are no UTF-8.
    except ValueError as error:
        raise StudyError(f"{place}: is no Python file ({error})") from None


def _below(path: Path, root: Path) -> Path:
    if not path.is_relative_to(root):
        return path
    return path.relative_to(root)


def _dotted(key: str, value: ast.expr) -> Iterator[str]:
    yield key
    for name, entry in keyed_values(value):
        yield from _dotted(f"{key}.{name}", entry)
