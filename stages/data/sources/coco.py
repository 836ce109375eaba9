"""Reads a COCO annotation file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from stages.data.boundary import boundary
from stages.data.findings import Findings
from stages.data.sources.raw import Raw

# Fields of an annotation that detection needs; others are counted and stay where they are.
FIELDS = frozenset(("id", "image_id", "category_id", "bbox", "area", "iscrowd", "ignore"))


def read(path: Path, name: str, folder: str, split: str, findings: Findings) -> Raw | None:
    """None, and a fatal finding, where it is missing, empty, not UTF-8, not JSON or not COCO.

    Annotations of a test file may be absent: its split then has no labels.
    """
    where = {"split": split, "source": name}
    text = read_text(path, where, findings)
    if text is None:
        return None
    content = _parse(text, where, findings)
    if content is None:
        return None
    content = content if isinstance(content, dict) else {}
    lists = {key: content.get(key) for key in ("images", "annotations", "categories")}
    for key, entries in lists.items():
        if split == "test" and key != "images" and not lists["annotations"] and not entries:
            lists[key] = []
        elif not isinstance(entries, list) or not entries:
            findings.add("coco_list_missing", [{**where, "entry": key, "note": (
                "its list is empty" if entries == [] else "there is no such list")}])
            return None
    return Raw(name, folder, **lists, coco=True)


def read_text(path: Path, where: dict[str, Any], findings: Findings) -> str | None:
    """The file's text without a byte order mark; None, and a fatal finding, where there is none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        findings.add("annotation_file_missing", [{**where, "file": path}])
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        findings.add("annotation_file_unreadable", [{
            **where, "file": path, "note": getattr(error, "strerror", None) or str(error)}])
        return None
    if data.startswith(b"\xef\xbb\xbf"):
        findings.add("file_bom", [{**where, "before": "EF BB BF", "after": "skipped"}])
        data = data[3:]
    if not data.strip():
        findings.add("annotation_file_empty", [{**where, "file": path}])
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        findings.add("file_not_utf8", [{**where, "note": f"byte 0x{data[error.start]:02x} in line {line}"}])
        return None


def read_inside(file: Path, root: Path) -> bytes:
    """The bytes of a label file. Raises OSError, and ValueError where a link or ".." leads out of the set."""
    if not boundary(root).holds(os.path.realpath(file)):
        raise ValueError("leads out of data.root")
    # A named pipe would be waited for without end.
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    return file.read_bytes()


def _parse(text: str, where: dict[str, Any], findings: Findings) -> Any:
    """None, and a fatal finding, where it is no JSON."""
    twice: list[str] = []
    literals: list[str] = []
    left: dict[str, int] = {}

    def entry(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            twice.append(next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index])))
        if "bbox" in made and not made.keys() <= FIELDS:
            # Polygons are nine tenths of a COCO file: let go of them before the next one is read.
            for key in made.keys() - FIELDS:
                del made[key]
                left[key] = left.get(key, 0) + 1
        return made

    def literal(name: str) -> float:
        literals.append(name)
        return float(name)

    try:
        content = json.loads(text, object_pairs_hook=entry, parse_constant=literal)
    except json.JSONDecodeError as error:
        # A file that was cut short fails at its end, at the opening quote of its last text, or in its last word.
        rest = text[error.pos:].rstrip()
        cut = error.msg.startswith("Unterminated string") or (len(rest) < 6 and "escape" in error.msg) or any(
            word.startswith(rest) for word in ("true", "false", "null", "NaN", "-Infinity"))
        findings.add("json_truncated" if cut else "json_invalid", [
            {**where, "note": f"line {error.lineno}, column {error.colno}: {error.msg}"}])
        return None
    except RecursionError:
        findings.add("json_invalid", [{**where, "note": "nested too deeply"}])
        return None
    except ValueError:  # Python reads no whole number of more than 4300 digits
        findings.add("json_invalid", [{**where, "note": "a number of thousands of digits"}])
        return None
    findings.add("json_nan", ({**where, "before": name} for name in literals))
    findings.add("json_duplicate_key", ({**where, "before": key} for key in twice))
    for key in sorted(left):
        findings.counted("fields_not_copied", left[key], **where, before=key)
    return {} if content is None else content
