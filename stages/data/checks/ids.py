"""How ids of an annotation file lead from one list of it to another, and what is odd in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.data.findings import Findings, shown
from stages.data.sources.annotations import is_id

# In place of a row: an id that no list has. -1 is one that a list has and that cannot be used.
ABSENT = -2


def rows_of(ids: Any, listed: dict[Any, int]) -> np.ndarray:
    """(n,) what `listed` has for each id, by its text where not by itself; ABSENT for others."""
    if not isinstance(ids, np.ndarray):
        rows = [listed.get(as_listed(value, listed), ABSENT) for value in ids]
        return np.array(rows, dtype=np.int64)
    # Each id is looked up once: there are fewer images than boxes.
    different, inverse = np.unique(ids, return_inverse=True)
    rows = [listed.get(as_listed(value, listed), ABSENT) for value in different.tolist()]
    return np.array(rows, dtype=np.int64)[inverse]


def matched_by_text(ids: Any, index: np.ndarray, listed: dict[Any, int]) -> list[int]:
    """Rows whose id is listed as text where it is a number, or the other way round."""
    is_listed = index > ABSENT
    if isinstance(ids, np.ndarray):
        different = np.unique(ids).tolist()
        odd = [value for value in different if value not in listed]
        return np.flatnonzero(np.isin(ids, odd) & is_listed).tolist()
    return [at for at, value in enumerate(ids) if is_listed[at] and value not in listed]


def plain_id(value: Any) -> Any:
    return value.item() if isinstance(value, np.integer) else value


def as_listed(value: Any, listed: dict[Any, int]) -> Any:
    """The id of `listed` that `value` means: 3 is also found by "3", and "3" by 3."""
    if value in listed:
        return value
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    if type(value) is int and abs(value) < 10**20:
        return str(value)
    return value


def check_ids(ids: Any, key: str, origin: dict[str, Any], findings: Findings) -> None:
    """Ids are renumbered whatever they are; what readers other than this one would have made of
    them is said."""
    values = [] if isinstance(ids, np.ndarray) else ids
    unusual = [(position, value) for position, value in enumerate(values) if type(value) is not int]
    if key == "annotations":
        for position, value in unusual:
            if value is None:
                entry = f"{key}[{position}]"
                findings.report("annotation_id_missing", origin, entry=entry, after="numbered")
        for position in _repeated(ids):
            findings.report(
                "annotation_id_duplicate",
                origin,
                entry=f"{key}[{position}]",
                before=f"id {ids[position]} again",
                after="renumbered",
            )
    for position, value in unusual:
        if value is not None:
            findings.report(
                "id_not_integer",
                origin,
                entry=f"{key}[{position}]",
                before=f"id {shown(value)} ({type(value).__name__})",
                after="renumbered",
            )
    if isinstance(ids, np.ndarray):
        has_zero = (ids == 0).any()
    else:
        has_zero = any(type(value) is int and value == 0 for value in ids)
    if has_zero:
        code = "image_ids_from_zero" if key == "images" else "annotation_ids_from_zero"
        note = "source_id holds the former id"
        findings.report(code, origin, entry=key, before="0 ...", after="1 ...", note=note)


def _repeated(ids: Any) -> list[int]:
    """Rows whose id an earlier row has."""
    if isinstance(ids, np.ndarray):
        order = np.argsort(ids, kind="stable")
        again = ids[order[1:]] == ids[order[:-1]]
        return np.sort(order[1:][again]).tolist()
    earlier: set[Any] = set()
    rows = []
    for at, value in enumerate(ids):
        if is_id(value) and value in earlier:
            rows.append(at)
        elif is_id(value):
            earlier.add(value)
    return rows
