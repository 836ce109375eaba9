"""Reads models/<cell>/config.py, which a cache or a remote may hand back, as data: it is not run as
a program."""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.errors import InputError
from stages.study.params import ROOT

if TYPE_CHECKING:
    from mmengine.config import Config

# A config of this project has 20 kB.
LARGEST_CONFIG = 1 << 20
# MMDetection opens these files while a dataset is built, and may unpickle what it finds.
_REFUSED = {"proposal_file", "_base_"}


def read_config(path: Path, *needed: str) -> Config:
    """The config that MMEngine's Config.fromfile would give for a file that stage train wrote,
    without running it.

    Accepted are assignments of numbers, texts, None, True, False, lists, tuples and dicts: what
    Config.pretty_text writes. MMEngine takes a `type` with a dot in it for anything that can be
    imported (dict(type="os.system", ...)), and mmcv evaluates that of nms; so each must be a class
    that this project's own configs name. Raises InputError, one line, for any other file, and where
    one of the names `needed` is not assigned.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such config; train the cell first (dvc repro, or "
            f"python -m stages.train {path.parent.name})"
        )
    if path.stat().st_size > LARGEST_CONFIG:
        raise InputError(
            f"{path}: {path.stat().st_size} bytes are no cell's config; {_remedy(path)}"
        )
    # A second of imports, which known_types needs none of.
    from mmengine.config import Config

    try:
        tree = ast.parse(path.read_bytes())
        values = dict(_assigned(line) for line in tree.body)
        for name in needed:
            if name not in values:
                raise _NotData(tree, f"the file ends without {name}")
        return Config(values)
    except _NotData as error:
        raise InputError(f"{path}: line {error.line}: {error}; {_remedy(path)}") from None
    # What Python's parser says of other files: null bytes, wrong encoding, too deep, and MMEngine
    # of its own names.
    except (SyntaxError, ValueError, RecursionError, MemoryError, KeyError) as error:
        raise InputError(
            f"{path}: cannot be read ({' '.join(str(error).split())[:200]}); {_remedy(path)}"
        ) from None


class _NotData(Exception):
    def __init__(self, node: ast.AST, text: str) -> None:
        super().__init__(text)
        self.line = getattr(node, "lineno", 1)


def _remedy(path: Path) -> str:
    return (
        "it was not written by stage train; train the cell again "
        f"(dvc repro --force stages/dvc.yaml:train@{path.parent.name})"
    )


def _assigned(line: ast.stmt) -> tuple[str, Any]:
    if not (
        isinstance(line, ast.Assign)
        and len(line.targets) == 1
        and isinstance(line.targets[0], ast.Name)
    ):
        raise _NotData(line, "is not a plain assignment")
    name = line.targets[0].id
    value = _value(line.value)
    _check(name, value, line.value)
    return name, value


def _value(node: ast.expr) -> Any:
    call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    if isinstance(node, ast.Dict) or (call and node.func.id == "dict" and not node.args):
        return _dict(node)
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bool | int | float | None):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = node.operand
        if isinstance(number, ast.Constant) and type(number.value) in (int, float):
            return -number.value
    raise _NotData(node, "is not a number, a text, a list, a tuple or dict(...)")


def _dict(node: ast.expr) -> dict[Any, Any]:
    values: dict[Any, Any] = {}
    for key, value in keyed_values(node):
        if not isinstance(key, str | int) or key in values:
            raise _NotData(node, "has a key that is computed or there twice")
        values[key] = _value(value)
        _check(key, values[key], value)
    return values


def keyed_values(node: ast.AST) -> Iterator[tuple[Any, ast.expr]]:
    """Key and value of each entry of {...} or dict(...), or of each keyword of a call.

    The key is None for **mapping, and where it is computed.
    """
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            yield keyword.arg, keyword.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values):
            name = None
            if isinstance(key, ast.Constant):
                name = key.value
            yield name, value


def _check(key: Any, value: Any, node: ast.expr) -> None:
    if key == "type" and not (isinstance(value, str) and value in known_types()):
        raise _NotData(node, f"type {value!r} is no class that configs/ names")
    # Naming a scope makes MMEngine import a module of that name.
    if key in ("_scope_", "default_scope") and value != "mmdet":
        raise _NotData(node, f"{key} {value!r} is not mmdet")
    if key in _REFUSED or (isinstance(value, str) and "://" in value and key != "checkpoint"):
        raise _NotData(node, f"{key} names a file that no cell has")


@functools.cache
def known_types() -> frozenset[str]:
    """Every `type` in configs/, in the MMDetection configs that these are based on, and in what
    compose.py adds."""
    files = [*sorted((ROOT / "configs").rglob("*.py")), ROOT / "stages" / "model" / "compose.py"]
    types: set[str] = set()
    visited: set[Path] = set()
    while files:
        path = files.pop()
        if path in visited or not path.is_file():
            continue
        visited.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            types.update(_types(node))
            files += bases(node, path)
    return frozenset(types)


def _types(node: ast.AST) -> Iterator[str]:
    for key, value in keyed_values(node):
        if key == "type" and isinstance(value, ast.Constant) and str(value.value).isidentifier():
            yield value.value


def bases(node: ast.AST, path: Path) -> Iterator[Path]:
    """The files that `_base_` names, where the node assigns it."""
    if not isinstance(node, ast.Assign):
        return
    if "_base_" not in [getattr(target, "id", None) for target in node.targets]:
        return
    for text in ast.walk(node.value):
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            yield _base(text.value, path)


def _base(name: str, path: Path) -> Path:
    """The file of a `_base_` of the config `path`: beside it, or in the package before "::"."""
    package, separator, rest = name.partition("::")
    if not separator:
        return (path.parent / name).resolve()
    spec = importlib.util.find_spec(package)
    folder = Path(package)
    if spec and spec.origin:
        folder = Path(spec.origin).parent
    return folder / ".mim" / "configs" / rest
