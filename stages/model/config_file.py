"""Reads models/<cell>/config.py as data: what a cache or a remote hands back is never run as a program."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from stages.errors import InputError
from stages.study import fragments
from stages.study.params import ROOT

# A config of this project has 20 kB.
LARGEST = 1 << 20
_REMEDY = "it was not written by stage train; train the cell again (dvc repro --force stages/dvc.yaml:train@CELL)"
# MMDetection opens these files while a dataset is built, and may unpickle what it finds.
_REFUSED = {"proposal_file", "_base_"}


def read(path: Path, *needed: str) -> Config:
    """The config that MMEngine's Config.fromfile would give for a file that stage train wrote, without running it.

    Accepted are assignments of numbers, texts, None, True, False, lists, tuples and dicts: what Config.pretty_text
    writes. MMEngine takes a `type` with a dot in it for anything that can be imported (dict(type="os.system", ...)),
    and mmcv evaluates that of nms; so each must be a class that this project's own configs name.
    Raises InputError, one line, for any other file, and where one of the names `needed` is not assigned.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such config; train the cell first (dvc repro, or "
            f"python -m stages.train {path.parent.name})"
        )
    if path.stat().st_size > LARGEST:
        raise InputError(
            f"{path}: {path.stat().st_size} bytes are no cell's config; {_remedy(path)}"
        )
    try:
        tree = ast.parse(path.read_bytes())
        values = dict(_assigned(line) for line in tree.body)
        for name in needed:
            if name not in values:
                raise _NotData(tree, f"the file ends without {name}")
        return Config(values)
    except _NotData as error:
        raise InputError(f"{path}: line {error.line}: {error}; {_remedy(path)}") from None
    # What Python's parser says of other files: null bytes, wrong encoding, too deep, and MMEngine of its own names.
    except (SyntaxError, ValueError, RecursionError, MemoryError, KeyError) as error:
        raise InputError(
            f"{path}: cannot be read ({' '.join(str(error).split())[:200]}); {_remedy(path)}"
        ) from None


class _NotData(Exception):
    def __init__(self, node: ast.AST, text: str) -> None:
        super().__init__(text)
        self.line = getattr(node, "lineno", 1)


def _remedy(path: Path) -> str:
    return _REMEDY.replace("CELL", path.parent.name)


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
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "dict"
        and not node.args
    ):
        return _dict(node, [(keyword.arg, keyword.value) for keyword in node.keywords])
    if isinstance(node, ast.Dict):
        return _dict(
            node,
            [
                (key.value if isinstance(key, ast.Constant) else None, value)
                for key, value in zip(node.keys, node.values)
            ],
        )
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    sign, constant = 1, node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, constant = -1, node.operand
    if isinstance(constant, ast.Constant):
        if sign == 1 and (
            constant.value is None or isinstance(constant.value, str | bool | int | float)
        ):
            return constant.value
        if sign == -1 and type(constant.value) in (int, float):
            return -constant.value
    raise _NotData(node, "is not a number, a text, a list, a tuple or dict(...)")


def _dict(node: ast.expr, pairs: list[tuple[Any, ast.expr]]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for key, value in pairs:
        # None: **other, or a key that is computed.
        if not isinstance(key, str | int) or key in made:
            raise _NotData(node, "has a key that is computed or there twice")
        made[key] = _value(value)
        _check(key, made[key], value)
    return made


def _check(key: Any, value: Any, node: ast.expr) -> None:
    if key == "type" and not (isinstance(value, str) and value in known_types()):
        raise _NotData(node, f"type {value!r} is no class that configs/ names")
    # Naming a scope makes MMEngine import a module of that name.
    if key in ("_scope_", "default_scope") and value != "mmdet":
        raise _NotData(node, f"{key} {value!r} is not mmdet")
    if key in _REFUSED or (isinstance(value, str) and "://" in value and key != "checkpoint"):
        raise _NotData(node, f"{key} names a file that no cell has")


@functools.cache
def known_types(root: Path = ROOT) -> frozenset[str]:
    """Every `type` in configs/, in the MMDetection configs that these are based on, and in what compose.py adds."""
    files = [*sorted((root / "configs").rglob("*.py")), root / "stages" / "model" / "compose.py"]
    found: set[str] = set()
    seen: set[Path] = set()
    while files:
        path = files.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found.update(_types(node))
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == "_base_" for target in node.targets
            ):
                files += [
                    fragments.base(text.value, path)
                    for text in ast.walk(node.value)
                    if isinstance(text, ast.Constant) and isinstance(text.value, str)
                ]
    return frozenset(found)


def _types(node: ast.AST) -> Iterator[str]:
    pairs: list[tuple[Any, ast.expr]] = []
    if isinstance(node, ast.Call):
        pairs = [(keyword.arg, keyword.value) for keyword in node.keywords]
    elif isinstance(node, ast.Dict):
        pairs = [(getattr(key, "value", None), value) for key, value in zip(node.keys, node.values)]
    for key, value in pairs:
        if key == "type" and isinstance(value, ast.Constant) and str(value.value).isidentifier():
            yield value.value
