"""Reads a COCO annotation file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from stages.data.boundary import boundary
from stages.data.findings import Findings
from stages.data.sources.annotations import Annotations
from stages.data.sources.coco_json import parse
from stages.data.sources.raw import Raw


def read(path: Path, name: str, folder: str, split: str, findings: Findings) -> Raw | None:
    """None, and a fatal finding, where it is missing, empty, not UTF-8, not JSON or not COCO.

    Annotations of a test file may be absent: its split then has no labels.
    """
    origin = {"split": split, "source": name}
    text = read_text(path, origin, findings)
    if text is None:
        return None
    content = parse(text, origin, findings)
    if content is None:
        return None
    if not isinstance(content, dict):
        content = {}
    lists = {key: content.get(key) for key in ("images", "annotations", "categories")}
    for key, entries in lists.items():
        if split == "test" and key != "images" and not lists["annotations"] and not entries:
            lists[key] = []
        elif not isinstance(entries, (list, Annotations)) or not entries:
            note = "its list is empty" if entries == [] else "there is no such list"
            findings.report("coco_list_missing", origin, entry=key, note=note)
            return None
    if isinstance(lists["annotations"], Annotations):
        unread = lists["annotations"].unread
        for key in sorted(unread):
            findings.counted("fields_not_copied", unread[key], **origin, before=key)
    return Raw(name, folder, **lists, coco=True)


def read_text(path: Path, origin: dict[str, Any], findings: Findings) -> str | None:
    """The file's text without a byte order mark; None, and a fatal finding, where there is none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        findings.report("annotation_file_missing", origin, file=path)
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        note = getattr(error, "strerror", None) or str(error)
        findings.report("annotation_file_unreadable", origin, file=path, note=note)
        return None
    if data.startswith(b"\xef\xbb\xbf"):
        findings.report("file_bom", origin, before="EF BB BF", after="skipped")
        data = data[3:]
    if not data.strip():
        findings.report("annotation_file_empty", origin, file=path)
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        note = f"byte 0x{data[error.start]:02x} in line {line}"
        findings.report("file_not_utf8", origin, note=note)
        return None


def read_inside(file: Path, root: Path) -> bytes:
    """The bytes of a label file. Raises OSError, and ValueError where a link or ".." leads out of
    the set."""
    if not boundary(root).holds(os.path.realpath(file)):
        raise ValueError("leads out of data.root")
    # A named pipe would be waited for without end.
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    return file.read_bytes()
