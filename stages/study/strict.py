"""Reads plain YAML values into dataclasses and refuses everything that does not fit."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


class StudyError(ValueError):
    """params.yaml cannot be run as it stands; the message is one line with the key and the
    remedy."""


def bounded(
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    **kwargs: Any,
) -> Any:
    """A dataclass field whose number must lie in [minimum, maximum], or be greater than `above`.

    Without bounds: a field that must be given, after others that have a default."""
    return dataclasses.field(
        metadata={"minimum": minimum, "maximum": maximum, "above": above}, **kwargs
    )


def read(kind: Any, value: Any, key: str) -> Any:
    """Returns `value` as `kind`: a dataclass, Literal, dict[str, X], list[X], X | None, X | Y | ...
    or a plain type.

    Raises StudyError, naming `key` (dotted, as `dvc exp run -S` takes it) and what is allowed
    there.
    """
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, key)
    if origin is Literal:
        if value not in get_args(kind):
            raise StudyError(
                f"{key}: {value!r} is not one of {', '.join(map(str, get_args(kind)))}"
            )
        return value
    if origin in (Union, types.UnionType):
        first, *more = get_args(kind)
        if more == [types.NoneType]:
            if value is None:
                return None
            return read(first, value, key)
        for alternative in more:
            if isinstance(value, get_origin(alternative) or alternative):
                return read(alternative, value, key)
        return read(first, value, key)
    if origin is dict:
        _expect(isinstance(value, dict), key, "a mapping", value)
        entries = {}
        for name, item in value.items():
            _expect(isinstance(name, str), key, "keys that are text", name)
            entries[name] = read(get_args(kind)[1], item, f"{key}.{name}")
        return entries
    if origin is list:
        _expect(isinstance(value, list), key, "a list", value)
        return [read(get_args(kind)[0], item, f"{key}[{i}]") for i, item in enumerate(value)]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # YAML's .inf and .nan: no training and no JSON has a use for them.
    is_number = kind is not float or not isinstance(value, float) or math.isfinite(value)
    _expect(is_number, key, "a finite number", value)
    # bool is an int to Python, but `epochs: yes` is a mistake.
    is_mistaken = isinstance(value, bool) and kind is not bool
    _expect(isinstance(value, kind) and not is_mistaken, key, _NAMES[kind], value)
    return value


_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
_KINDS: dict[type, str] = {**_NAMES, list: "a list", dict: "a mapping"}
_NUMBERS: dict[str, Callable[[str], float]] = {_NAMES[int]: int, _NAMES[float]: float}


def _expect(fits: bool, key: str, wanted: str, value: Any) -> None:
    if fits:
        return
    hint = ""
    if wanted == _NAMES[str] and not isinstance(value, (dict, list, types.NoneType)):
        hint = "; put it in quotes"
    elif isinstance(value, str) and wanted in _NUMBERS:
        hint = _number_hint(_NUMBERS[wanted], value)
    elif isinstance(value, str) and wanted == _NAMES[bool]:
        hint = "; write true or false without quotes"
    elif wanted == _NAMES[int] and isinstance(value, float) and value.is_integer():
        hint = f"; write {int(value)}"
    text = "nothing"
    if value is not None:
        text = f"{_KINDS.get(type(value), type(value).__name__)} {value!r}"
    raise StudyError(f"{key}: expected {wanted}, found {text}{hint}")


def _number_hint(kind: Callable[[str], float], text: str) -> str:
    with contextlib.suppress(ValueError, OverflowError):
        number = kind(text)
        if math.isfinite(number):
            return f"; write {number!r} without quotes"
    return ""


def _read_dataclass(kind: Any, value: Any, key: str) -> Any:
    _expect(isinstance(value, dict), key or "params.yaml", "a mapping", value)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    prefix = f"{key}." if key else ""
    for name in value:
        if name not in fields:
            raise StudyError(f"{prefix}{name}: unknown key; allowed here: {', '.join(fields)}")
    hints = get_type_hints(kind)
    read_values = {}
    for name, field in fields.items():
        if name in value:
            read_values[name] = read(hints[name], value[name], prefix + name)
            _check_bounds(field, read_values[name], prefix + name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise StudyError(f"{prefix}{name}: missing; it must be {_describe(hints[name])}")
    return kind(**read_values)


def _describe(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(map(_describe, get_args(kind)))
    return _NAMES.get(kind, "a list" if get_origin(kind) is list else "a mapping")


def _check_bounds(field: dataclasses.Field[Any], value: Any, key: str) -> None:
    if not field.metadata or value is None:
        return
    minimum, maximum, above = (field.metadata.get(name) for name in ("minimum", "maximum", "above"))
    numbers = [value]
    if isinstance(value, dict):
        numbers = list(value.values())
    for number in numbers:
        # The negated forms also refuse NaN.
        if minimum is not None and not number >= minimum:
            raise StudyError(f"{key}: {number} is below the least allowed, {minimum}")
        if maximum is not None and not number <= maximum:
            raise StudyError(f"{key}: {number} is above the most allowed, {maximum}")
        if above is not None and not number > above:
            raise StudyError(f"{key}: {number} must be greater than {above}")
