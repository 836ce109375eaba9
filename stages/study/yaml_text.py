"""YAML as DVC reads and writes it: version 1.2, by ruamel.yaml. Both see the same numbers and
names."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
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
        yaml = YAML(typ="safe")
        root = yaml.compose(text)
        if root is None:
            return None
        _check_keys(root)
        return yaml.constructor.construct_document(root)
    except UnreadableYaml:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        problem = " ".join(str(error.problem).split())
        if "\\t" in problem:
            problem += "; indent with spaces instead of tabs"
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


def _check_keys(root: Node) -> None:
    """Raises UnreadableYaml for the first key that is no text, or stands in its mapping twice."""
    # Each node with its dotted name, the outer ones first. Aliases may repeat one without end.
    waiting, visited = [(root, "")], set()
    for node, name in waiting:
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, MappingNode):
            _check_mapping(node, name)
            waiting.extend((value, f"{name}.{key.value}".lstrip(".")) for key, value in node.value)
        elif isinstance(node, SequenceNode):
            waiting.extend((item, f"{name}[{index}]") for index, item in enumerate(node.value))


def _check_mapping(node: MappingNode, name: str) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.tag == _MERGE:
            continue
        if not isinstance(key, ScalarNode):
            raise UnreadableYaml(f"line {line}: {name or 'the file'} has a key that is no text")
        place = f"line {line}: {name}.{key.value}".replace(": .", ": ")
        if key.tag != _TEXT:
            kind = _KINDS.get(str(key.tag).rpartition(":")[2], "no text")
            raise UnreadableYaml(
                f'{place}: the name {key.value} is read as {kind}; put it in quotes: "{key.value}"'
            )
        if key.value in lines:
            raise UnreadableYaml(
                f"{place}: this key stands in line {lines[key.value]} too; "
                "rename or remove one of them"
            )
        lines[key.value] = line
