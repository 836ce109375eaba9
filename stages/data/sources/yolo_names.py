"""Reads the class names of a YOLO set as the text that is written, and the shape of keypoints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import yaml

from stages.data.disk import is_beside, read_inside
from stages.data.findings import Findings
from stages.data.sources.annotations import read_text

# What may stand before a name and leaves it the text that it is, such as "!!str yes".
_PLAIN_TAGS = {None, "!"}
for _kind in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map"):
    _PLAIN_TAGS.add(f"tag:yaml.org,2002:{_kind}")
# What a file raises that cannot be read, or is no YAML.
_UNREADABLE = (OSError, yaml.YAMLError, ValueError, RecursionError)


def read_class_names(
    root: Path, origin: dict[str, Any], findings: Findings
) -> list[dict[str, Any]] | None:
    """Categories {"id": class number, "name": text}, as often as they are written: those of
    data.yaml (a list, a mapping of numbers, or the name of a file in `root` with a name a line), of
    another YAML file in `root`, or of the lines of classes.txt or *.names. None, and a fatal
    finding, where no file has names or they cannot be read.

    YAML 1.1 would turn the names yes and no to True and False, 010 to 8, and a date to no text at
    all; here no name is resolved, as no tool writes anything but text in this place.
    """
    lists = list(filter(Path.is_file, [root / "classes.txt", *_globbed(root, "*.names")]))
    # Programs that write labels put it beside them.
    labels = Path(origin["source"])
    inner = [root / folder / "classes.txt" for folder in (labels, *labels.parents)]
    all_lists = dict.fromkeys([*lists, *filter(Path.is_file, inner)])
    files = _yaml_files(root)
    for index, file in enumerate(files):
        place = {**origin, "source": file.name}
        text = read_text(file, place, findings)
        if text is None:
            return None
        try:
            categories, count = _parse(text, root)
        except _UNREADABLE as error:
            note = " ".join(str(error).split())
            findings.report("names_missing", origin, file=file, note=note)
            return None
        if categories:
            if count not in (None, str(len(categories))):
                note = f"{len(categories)} names"
                findings.report("names_count", place, before=f"nc: {count}", note=note)
            _check_others(categories, all_lists, files[index + 1 :], place, findings)
            return categories
    if not lists:
        findings.report("names_missing", origin, file=root)
        return None
    place = {**origin, "source": lists[0].name}
    text = read_text(lists[0], place, findings)
    if text is None:
        return None
    categories = _numbered(_lines(text))
    for category in categories:
        if category["name"].startswith("#"):
            before = f"class {category['id']}: {category['name']}"
            findings.report("names_comment", place, before=before)
    _check_others(categories, all_lists, (), place, findings)
    return categories


def keypoint_shape(root: Path) -> tuple[int, int] | None:
    """kpt_shape of the set's YAML file: keypoints of a box, and numbers of a keypoint, 2 or 3."""
    for _, content in yaml_contents(root):
        try:
            count, width = map(int, content["kpt_shape"])
        except (ValueError, LookupError, TypeError):
            continue
        if count > 0 and width in (2, 3):
            return count, width
    return None


def _globbed(root: Path, pattern: str) -> list[Path]:
    return [file for file in sorted(root.glob(pattern)) if not is_beside(file.name)]


def _yaml_files(root: Path) -> list[Path]:
    """The set's YAML files, the likeliest first."""
    files = [root / "data.yaml", root / "dataset.yaml"]
    files += [*_globbed(root, "*.yaml"), *_globbed(root, "*.yml")]
    return list(filter(Path.is_file, dict.fromkeys(files)))


def yaml_contents(root: Path) -> Iterator[tuple[Path, Any]]:
    """The set's YAML files that can be read, and what they hold. All values are text: a class that
    looks like a date ends in no error."""
    for file in _yaml_files(root):
        try:
            yield file, yaml.BaseLoader(file.read_bytes()).get_single_data()
        except _UNREADABLE:
            continue


def _parse(text: str, root: Path) -> tuple[list[dict[str, Any]], str | None]:
    """The categories, [] where the file has no names, and nc as it is written. Raises ValueError
    with the line where names cannot be read."""
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        tag = getattr(event, "tag", None)
        if tag not in _PLAIN_TAGS:
            raise _error(event, f"the tag {tag} stands for more than text, and is not read")
    content = yaml.compose(text, Loader=yaml.BaseLoader)
    if not isinstance(content, yaml.MappingNode):
        return [], None
    values: dict[str, yaml.Node] = {}
    for key, value in content.value:
        if key.value in ("names", "nc") and key.value in values:
            raise _error(key, f"{key.value} stands twice")
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
        return _numbered(list(map(_name, node.value)))
    if isinstance(node, yaml.MappingNode):
        categories = [{"id": _number(key), "name": _name(value)} for key, value in node.value]
        return sorted(categories, key=itemgetter("id"))
    if not node.value:
        return []
    file = root / node.value
    if not file.is_file():
        text = f"names is the text {node.value!r}: neither a list nor a file in data.root"
        raise _error(node, text)
    return _numbered(_lines(read_inside(file, root).decode("utf-8-sig")))


def _name(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _error(node, "a name is a list or a mapping; put it in quotes")
    return node.value


def _number(node: yaml.Node) -> int:
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise _error(node, f"the key {text!r} of names is no class number")
    return int(text)


def _error(place: Any, text: str) -> ValueError:
    return ValueError(f"line {place.start_mark.line + 1}: {text}")


def _lines(text: str) -> list[str]:
    """A name a line. An empty line between two names is a class without one: those after it keep
    their numbers."""
    return re.split(r"\r\n|\r|\n", text.rstrip())


def _numbered(names: list[str]) -> list[dict[str, Any]]:
    return [{"id": index, "name": name} for index, name in enumerate(names)]


def _check_others(
    categories: list[dict[str, Any]],
    lists: Iterable[Path],
    yaml_files: Iterable[Path],
    place: dict[str, Any],
    findings: Findings,
) -> None:
    """Reports files that have other names than those of `place`, which are taken."""
    names = _names_of(categories)
    differing = {}
    for file in lists:
        try:
            listed = _lines(read_inside(file, file.parent).decode("utf-8-sig"))
        except (OSError, ValueError):
            continue
        if list(map(str.strip, listed)) != list(map(str.strip, names)):
            differing[file] = listed
    for file in yaml_files:
        try:
            others, _ = _parse(read_inside(file, file.parent).decode("utf-8-sig"), file.parent)
        except _UNREADABLE:
            continue
        if others and others != categories:
            differing[file] = _names_of(others)
    for file, listed in differing.items():
        before = f"{file.name}: {', '.join(listed)}"
        note = f"{place['source']}: {', '.join(names)}"
        findings.report("names_differ", place, before=before, note=note)


def _names_of(categories: list[dict[str, Any]]) -> list[str]:
    return list(map(itemgetter("name"), categories))
