"""What the page says: numbers as text, sentences that follow from the report, names that stay on
their line."""

from __future__ import annotations

import re
from collections import Counter

from markupsafe import Markup

SEVERITIES = ("error", "warning", "info")
ACTIONS = ("fatal", "dropped", "repaired", "kept")
_KINDS = {"error": "errors", "warning": "warnings", "info": "notes"}
_ONE = {
    "boxes": "box",
    "images": "image",
    "classes": "class",
    "files": "file",
    "pairs": "pair",
    "groups": "group",
    "files of images": "file of images",
    "pairs of images": "pair of images",
    "splits": "split",
    "literals": "literal",
    "rows": "row",
    "objects": "object",
    "classes of a split": "class of a split",
    "entries": "entry",
    "annotations": "annotation",
    "categories": "category",
}
# Control characters, line separators, halves of surrogate pairs, and the bidi marks that reorder
# the text around them: with one of these a file name could pose as another one.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(value: object) -> object:
    """Text with control, bidi and line-separating characters as backslash escapes; anything else
    unchanged.

    jinja2's `finalize`: no name can be forgotten. Lone surrogates, which JSON may carry, could not
    be written either.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _HIDDEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), value)


def number(value: float) -> str:
    """1077 as 1,077; a number that is not whole keeps two digits."""
    return f"{value:,}" if value == int(value) else f"{value:,.2f}"


def percent(share: float) -> str:
    """A share of 0..1 as text that is never rounded to nothing or to all."""
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{min(share, 0.999) if share < 1 else share:.1%}"


def counted(count: int, unit: str) -> str:
    """`unit` comes in the plural: 1, "boxes" is "1 box"."""
    return f"{count:,} {_ONE.get(unit, unit) if count == 1 else unit}"


def listed(parts: list[str]) -> str:
    return (
        parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
    )


def headline(report: dict) -> str:
    """What the dataset is, or what stopped the stage: no splits were written then."""
    fatal = [finding for finding in report["findings"] if finding["action"] == "fatal"]
    if fatal:
        names = [
            f"{finding['code']} ({counted(finding['count'], finding['unit'])})" for finding in fatal
        ]
        return f"Stopped: {listed(names)}"
    parts = list((report.get("splits") or {}).values())
    if not parts:
        return f"Stopped before there were splits: {report.get('stopped') or 'see the log'}"
    images, boxes = (sum(part[key] for part in parts) for key in ("images", "boxes"))
    return ", ".join(
        (
            counted(images, "images"),
            counted(boxes, "boxes"),
            counted(len(report["classes"]), "classes"),
        )
    )


def verdict(report: dict) -> str:
    """How many kinds of findings there are and what was done, by severity."""
    if not report["findings"]:
        return "Nothing was found wrong."
    sentences = []
    for severity in SEVERITIES:
        actions = Counter(
            finding["action"] for finding in report["findings"] if finding["severity"] == severity
        )
        if actions:
            number_of = sum(actions.values())
            done = [f"{actions[action]} {action}" for action in ACTIONS if actions[action]]
            kinds = f"{number_of} {_KINDS[severity].removesuffix('s') if number_of == 1 else _KINDS[severity]}"
            sentences.append(
                f"{kinds}: {', '.join(done) if len(done) > 1 else next(iter(actions))}"
            )
    kinds = (
        "1 kind of finding"
        if len(report["findings"]) == 1
        else f"{len(report['findings'])} kinds of findings"
    )
    return f"{kinds}. {'; '.join(sentences).capitalize()}."


_PIXELS = {
    "decode": "every image decoded",
    "header": "headers read, pixels not decoded",
    "none": "no image file opened",
}


def facts(report: dict) -> list[tuple[str, list[str]]]:
    """Label and lines of what is printed under the headline."""
    pixels = report.get("pixels", "")
    entries = [("data set", [report["name"]])] if report.get("name") else []
    entries.append(("source", [report.get("source", "")]))
    if report.get("files"):
        entries.append(
            (
                "read",
                [
                    f"{file['annotations']} ({file['split']}): {counted(file['images'], 'images')}, "
                    f"{counted(file['boxes'], 'boxes')}"
                    for file in report["files"]
                ],
            )
        )
    entries.append(("images", [report.get("image_root", "")]))
    entries.append(
        ("pixels", [f"{pixels}: {_PIXELS[pixels]}" if pixels in _PIXELS else str(pixels)])
    )
    changes = report.get("changes") or {}
    if changes:
        entries.append(("changes", [f"{counted(changes['rows'], 'rows')} in {changes['file']}"]))
    if report.get("digest"):
        entries.append(("digest", [report["digest"]]))
    return entries


def grouping(groups: dict) -> str:
    """What was kept together when the images were split, "" where nothing is known."""
    if not groups:
        return ""
    by = (
        f"Images that share a value of {groups['column']} belong together: "
        if groups.get("column")
        else ""
    )
    pairs = groups.get("near_duplicate_pairs")
    text = (
        f"{by}{counted(groups['images'], 'images')} in {counted(groups['groups'], 'groups')}, "
        f"the largest of {counted(groups['largest'], 'images')}"
    )
    near = (
        ""
        if pairs is None
        else (
            f"; {counted(pairs, 'pairs')} of near-duplicate images "
            f"{'was' if pairs == 1 else 'were'} found"
        )
    )
    return f"{text}{near}."
