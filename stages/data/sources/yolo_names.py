"""Reads the class names of a YOLO set as the text that is written."""

from __future__ import annotations

import re
from operator import itemgetter
from pathlib import Path
from typing import Any

import yaml

from stages.data.disk import read_inside
from stages.data.findings import Findings
from stages.data.sources.annotations import read_text

# What may stand before a name and leaves it the text that it is, such as "!!str yes".
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map")
}


class _NotNames(ValueError):
    """The file has `names`, and they cannot be read; the message says what and in which line."""


def read(root: Path, origin: dict[str, Any], findings: Findings) -> list[dict[str, Any]] | None:
    """Categories {"id": class number, "name": text}, as often as they are written: those of
    data.yaml (a list, a mapping of numbers, or the name of a file in `root` with a name a line), of
    another YAML file in `root`, or of the lines of classes.txt or *.names. None, and a fatal
    finding, where no file has names or they cannot be read.

    YAML 1.1 would turn the names yes and no to True and False, 010 to 8, and a date to no text at
    all; here no name is resolved, as no tool writes anything but text in this place.
    """
    tables = [root / "data.yaml", root / "dataset.yaml"]
    for pattern in ("*.yaml", "*.yml"):
        tables += sorted(root.glob(pattern))
    lists = (root / "classes.txt", *sorted(root.glob("*.names")))
    for file in filter(Path.is_file, dict.fromkeys(tables)):
        place = {**origin, "source": file.name}
        text = read_text(file, place, findings)
        if text is None:
            return None
        try:
            categories, count = _parse(text, root)
        except (yaml.YAMLError, OSError, ValueError, RecursionError) as error:
            note = " ".join(str(error).split())
            findings.report("names_missing", origin, file=file, note=note)
            return None
        if categories:
            _compare(categories, count, lists, place, findings)
            return categories
    for file in filter(Path.is_file, lists):
        text = read_text(file, {**origin, "source": file.name}, findings)
        if text is None:
            return None
        return _numbered(_lines(text))
    findings.report("names_missing", origin, file=root)
    return None


def _parse(text: str, root: Path) -> tuple[list[dict[str, Any]], str | None]:
    """The categories, [] where the file has no names, and nc as it is written."""
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        tag = getattr(event, "tag", None)
        if tag not in (None, "!") and tag not in _PLAIN_TAGS:
            raise _NotNames(
                f"line {_line(event)}: the tag {tag} stands for more than text, and is not read"
            )
    content = yaml.compose(text, Loader=yaml.BaseLoader)
    if not isinstance(content, yaml.MappingNode):
        return [], None
    values: dict[str, yaml.Node] = {}
    for key, value in content.value:
        if key.value in ("names", "nc") and key.value in values:
            raise _NotNames(f"line {_line(key)}: {key.value} stands twice")
        if isinstance(key, yaml.ScalarNode):
            values[key.value] = value
    names = []
    if "names" in values:
        names = _names(values["names"], root)
    count = values.get("nc")
    if not isinstance(count, yaml.ScalarNode):
        return names, None
    return names, count.value


def _names(node: yaml.Node, root: Path) -> list[dict[str, Any]]:
    if isinstance(node, yaml.SequenceNode):
        return _numbered([_name(item) for item in node.value])
    if isinstance(node, yaml.MappingNode):
        categories = [{"id": _number(key), "name": _name(value)} for key, value in node.value]
        return sorted(categories, key=itemgetter("id"))
    if not node.value:
        return []
    file = root / node.value
    if not file.is_file():
        raise _NotNames(
            f"line {_line(node)}: names is the text {node.value!r}: neither a list nor a file in "
            "data.root"
        )
    return _numbered(_lines(read_inside(file, root).decode("utf-8-sig")))


def _name(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _NotNames(f"line {_line(node)}: a name is a list or a mapping; put it in quotes")
    return node.value


def _number(node: yaml.Node) -> int:
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise _NotNames(f"line {_line(node)}: the key {text!r} of names is no class number")
    return int(text)


def _line(place: Any) -> int:
    return place.start_mark.line + 1


def _lines(text: str) -> list[str]:
    """A name a line. An empty line between two names is a class without one: those after it keep
    their numbers."""
    return re.split(r"\r\n|\r|\n", text.rstrip())


def _numbered(names: list[str]) -> list[dict[str, Any]]:
    return [{"id": index, "name": name} for index, name in enumerate(names)]


def _compare(
    categories: list[dict[str, Any]],
    count: str | None,
    lists: tuple[Path, ...],
    place: dict[str, Any],
    findings: Findings,
) -> None:
    """What else says how many classes there are, or which."""
    if count is not None and count != str(len(categories)):
        note = f"{len(categories)} names"
        findings.report("names_count", place, before=f"nc: {count}", note=note)
    names = [category["name"] for category in categories]
    for file in filter(Path.is_file, lists):
        try:
            listed = _lines(read_inside(file, file.parent).decode("utf-8-sig"))
        except (OSError, ValueError):
            continue
        if list(map(str.strip, listed)) != list(map(str.strip, names)):
            findings.report(
                "names_differ",
                place,
                before=f"{file.name}: {', '.join(listed)}",
                note=f"{place['source']}: {', '.join(names)}",
            )
