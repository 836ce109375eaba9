"""YAML as DVC reads and writes it: version 1.2, by ruamel.yaml. Both see the same numbers and
names."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_TEXT = "tag:yaml.org,2002:str"
# <<: takes in the keys of another mapping, and may stand twice.
_MERGE = "tag:yaml.org,2002:merge"
_KINDS = {
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
}


class UnreadableYaml(ValueError):
    """The text is no YAML that DVC takes; the message is one line, with the line's number in the
    text."""


def loads(text: str) -> Any:
    """Plain values, the keys of every mapping text. Raises UnreadableYaml."""
    try:
        return _loads(text)
    except UnreadableYaml:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        problem = " ".join(str(error.problem).split())
        raise UnreadableYaml(f"{place}not valid YAML: {problem}") from None
    # ValueError: 2024-99-99 is no date.
    except (YAMLError, ValueError) as error:
        raise UnreadableYaml(f"not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UnreadableYaml("not valid YAML: a value lies too deep") from None


def dumps(values: Any) -> str:
    """The text of plain values, in their order. Text that could be a number stands in quotes."""
    yaml = YAML()
    yaml.default_flow_style = False
    stream = io.StringIO()
    yaml.dump(values, stream)
    return stream.getvalue()


def _loads(text: str) -> Any:
    try:
        values = YAML(typ="safe").load(text)
    except DuplicateKeyError:
        _check_keys(text)
        raise
    if not _has_text_keys(values):
        _check_keys(text)
    return values


def _has_text_keys(values: Any) -> bool:
    waiting, visited = [values], set()
    while waiting:
        value = waiting.pop()
        # Aliases may repeat a value without end.
        if id(value) in visited:
            continue
        visited.add(id(value))
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                return False
            waiting.extend(value.values())
    return True


def _check_keys(text: str) -> None:
    """Raises UnreadableYaml for the first key that is no text, or stands in its mapping twice."""
    for node, name in _mappings(YAML(typ="safe").compose(text)):
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE:
                continue
            if not isinstance(key, ScalarNode):
                raise UnreadableYaml(f"line {line}: {name or 'the file'} has a key that is no text")
            place = f"line {line}: {name}.{key.value}".replace(": .", ": ")
            if key.tag != _TEXT:
                raise UnreadableYaml(
                    f"{place}: the name {key.value} is read as {_kind(key.tag)}; "
                    f'put it in quotes: "{key.value}"'
                )
            if key.value in lines:
                raise UnreadableYaml(
                    f"{place}: this key stands in line {lines[key.value]} too; "
                    "rename or remove one of them"
                )
            lines[key.value] = line


def _mappings(root: Node) -> Iterator[tuple[MappingNode, str]]:
    """Every mapping of a text with its dotted name, the outer ones first."""
    waiting, visited = [(root, "")], set()
    while waiting:
        node, name = waiting.pop(0)
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, MappingNode):
            yield node, name
            waiting.extend((value, f"{name}.{key.value}".lstrip(".")) for key, value in node.value)
        elif isinstance(node, SequenceNode):
            waiting.extend((item, f"{name}[{index}]") for index, item in enumerate(node.value))


def _kind(tag: str | None) -> str:
    return _KINDS.get(str(tag).rpartition(":")[2], "no text")
