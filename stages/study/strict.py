"""Reads plain YAML values into pydantic's dataclasses and refuses everything that does not fit."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

# For pydantic's dataclasses, whose numbers, texts and truth values are the Strict ones: `epochs:
# yes` is a mistake, and YAML's .inf and .nan are of use to no training and no JSON.
CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)

_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
_KINDS: dict[type, str] = {**_NAMES, list: "a list", dict: "a mapping"}
_NUMBERS: dict[str, Callable[[str], float]] = {_NAMES[int]: int, _NAMES[float]: float}
# pydantic's types of errors.
_EXPECTED = {
    "int_type": _NAMES[int],
    "float_type": _NAMES[float],
    "finite_number": "a finite number",
    "string_type": _NAMES[str],
    "bool_type": _NAMES[bool],
    "list_type": _KINDS[list],
    "dict_type": _KINDS[dict],
    "dataclass_type": _KINDS[dict],
}
_BOUNDS = {
    "greater_than_equal": "is below the least allowed, {ge:.12g}",
    "less_than_equal": "is above the most allowed, {le:.12g}",
    "greater_than": "must be greater than {gt:.12g}",
}


# Keys of a mapping that are no text have a type of their own.
_UNKNOWN_KEY = ("unexpected_keyword_argument", "invalid_key")


class StudyError(ValueError):
    """params.yaml cannot be run as it stands; the message is one line with the key and the
    remedy."""


def validate(kind: Any, value: Any, key: str) -> Any:
    """Returns `value` as `kind`, a dataclass with CONFIG.

    Raises StudyError, naming `key` (dotted, as `dvc exp run -S` takes it) and what is allowed
    there.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        errors: list[Any] = error.errors(include_url=False)
    nearest = _nearest(errors, value)
    path = _path(nearest, value)
    raise StudyError(f"{_dotted(key, path)}: {_problem(nearest, kind, path)}")


def _nearest(errors: list[Any], value: Any) -> Any:
    """The first error, an unknown key before all: it may be the one that is missing. Of a value
    with alternatives, of the one that it comes nearest to."""
    errors.sort(key=lambda error: error["type"] not in _UNKNOWN_KEY)
    nearest, path = errors[0], _path(errors[0], value)
    for error in errors[1:]:
        longer = _path(error, value)
        if len(longer) > len(path) and longer[: len(path)] == path:
            nearest, path = error, longer
    return nearest


def _path(error: Any, value: Any) -> list[str | int]:
    """Where the error is in `value`, without the names that pydantic gives to alternatives."""
    path = []
    for part in error["loc"]:
        is_index = isinstance(value, list) and isinstance(part, int)
        if is_index or (isinstance(value, dict) and part in value):
            value = value[part]
            path.append(part)
    if error["type"] == "missing":
        path.append(error["loc"][-1])
    elif error["loc"][-1:] == ("[key]",):
        path.pop()
    return path


def _dotted(key: str, path: list[str | int]) -> str:
    text = key
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "params.yaml"


def _problem(error: Any, kind: Any, path: list[str | int]) -> str:
    """What is wrong, and what is allowed; kind: of the whole value."""
    value = error["input"]
    if error["type"] in _UNKNOWN_KEY:
        fields = dataclasses.fields(_kind_at(kind, path[:-1]))
        return f"unknown key; allowed here: {', '.join(field.name for field in fields)}"
    if error["type"] == "missing":
        return f"missing; it must be {_describe(_kind_at(kind, path))}"
    if error["type"] == "literal_error":
        return f"{value!r} is not {_describe(_kind_at(kind, path))}"
    if error["type"] in _BOUNDS:
        return f"{value} {_BOUNDS[error['type']].format(**error['ctx'])}"
    wanted = _EXPECTED[error["type"]]
    if error["loc"][-1:] == ("[key]",):
        wanted = "keys that are text"
    text = "nothing"
    if value is not None:
        text = f"{_KINDS.get(type(value), type(value).__name__)} {value!r}"
    return f"expected {wanted}, found {text}{_hint(wanted, value)}"


def _kind_at(kind: Any, path: list[str | int]) -> Any:
    """The type of what stands at `path`, where only null is an alternative on the way."""
    for part in path:
        is_key = dataclasses.is_dataclass(kind)
        # The items of a list, the values of a dict.
        kind = get_type_hints(kind)[str(part)] if is_key else get_args(kind)[-1]
        if types.NoneType in get_args(kind):
            kind = get_args(kind)[0]
    return kind


def _describe(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(map(_describe, get_args(kind)))
    return _NAMES.get(kind, "a list" if get_origin(kind) is list else "a mapping")


def _hint(wanted: str, value: Any) -> str:
    if wanted == _NAMES[str] and not isinstance(value, (dict, list, types.NoneType)):
        return "; put it in quotes"
    if isinstance(value, str) and wanted in _NUMBERS:
        with contextlib.suppress(ValueError, OverflowError):
            number = _NUMBERS[wanted](value)
            if math.isfinite(number):
                return f"; write {number!r} without quotes"
    if isinstance(value, str) and wanted == _NAMES[bool]:
        return "; write true or false without quotes"
    if wanted == _NAMES[int] and isinstance(value, float) and value.is_integer():
        return f"; write {int(value)}"
    return ""
