"""What a reader hands over, the entries of one annotation file as they were found, and how it opens
files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.data.findings import Findings

if TYPE_CHECKING:
    from stages.data.sources.annotations import Annotations


@dataclass
class Raw:
    """The file of `split` that reports call `name`; `folder`, relative to data.root, is where
    file_name starts from.

    relative: bbox holds shares of the image's width and height instead of pixels. coco: the file
    has COCO's own fields, ids and areas; otherwise the reader made them, and "at" in each
    annotation says where it was. gathered: categories are the names met in many label files, not a
    list in which each has an id of its own.
    """

    split: str
    name: str
    folder: str
    images: list[Any] = field(default_factory=list)
    annotations: list[Any] | Annotations = field(default_factory=list)
    categories: list[Any] = field(default_factory=list)
    relative: bool = False
    coco: bool = False
    gathered: bool = False

    @property
    def origin(self) -> dict[str, Any]:
        """Where findings say that its entries are."""
        return {"split": self.split, "source": self.name}


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
