"""The config fragments that a row of params.yaml may name: one file each in configs/, and what each
must hold."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from stages.study.strict import StudyError

ROOT = Path(__file__).resolve().parents[2]

# The factors of a cell that are fragments in configs/.
PARTS = ("detector", "backbone", "neck", "optimizer")
# What a fragment must set, itself or in a file that it is based on, and what for.
NEEDED = {
    "detector": {"model.type": "the class of the detector"},
    "backbone": {
        "model.backbone.type": "the class of the backbone",
        "model.neck.in_channels": "the channels of its outputs, which the neck takes",
    },
    "neck": {"model.neck.type": "the class of the neck"},
    "optimizer": {"optim_wrapper.optimizer.type": "the class of the optimizer"},
}


def known(part: str, root: Path = ROOT) -> list[str]:
    """The fragments there are: `known("backbones")` lists configs/backbones/*.py by name."""
    return sorted(path.stem for path in (root / "configs" / part).glob("*.py"))


def check(part: str, name: str, root: Path = ROOT) -> None:
    """Raises StudyError where a fragment lacks what it is for: one line with the file, the key and
    its purpose.

    part: one of PARTS. A file that does more than assign values is taken on trust.
    """
    path = Path("configs") / f"{part}s" / f"{name}.py"
    try:
        keys = set(_keys((root / path).resolve(), root.resolve()))
    except _Computed:
        return
    for key, purpose in NEEDED[part].items():
        if key not in keys:
            raise StudyError(f"{path}: lacks {key}, {purpose}; see docs/extending.md")


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
            for node in ast.walk(line.value):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield from _keys(base(node.value, path), root, (*above, path))
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
    entries: list[tuple[object, ast.expr]] = []
    if isinstance(value, ast.Call):
        entries = [(keyword.arg, keyword.value) for keyword in value.keywords]
    elif isinstance(value, ast.Dict):
        names = [getattr(name, "value", None) for name in value.keys]
        entries = list(zip(names, value.values))
    for name, entry in entries:
        yield from _dotted(f"{key}.{name}", entry)


def base(name: str, path: Path) -> Path:
    """The file of a `_base_` of the config `path`: beside it, or in the package before "::"."""
    package, separator, rest = name.partition("::")
    if not separator:
        return (path.parent / name).resolve()
    spec = importlib.util.find_spec(package)
    folder = Path(package)
    if spec and spec.origin:
        folder = Path(spec.origin).parent
    return folder / ".mim" / "configs" / rest
