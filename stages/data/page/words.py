"""What the page says: numbers as text, sentences about the report, names that keep their line."""

from __future__ import annotations

import re
from collections import Counter

from markupsafe import Markup

from stages.data.catalogue import SEVERITIES
from stages.data.findings import GRAVEST
from stages.study.counts import count, form

_KINDS = {"error": "errors", "warning": "warnings", "info": "notes"}
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


def percent(share: float) -> str:
    """A share of 0..1 as text that is never rounded to nothing or to all."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return "99.9%"
    return f"{share:.1%}"


def listed(parts: list[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def headline(report: dict) -> str:
    """What the dataset is, or what stopped the stage: no splits were written then."""
    fatal = []
    for finding in report["findings"]:
        if finding["action"] == "fatal":
            fatal.append(f"{finding['code']} ({count(finding['count'], finding['unit'])})")
    if fatal:
        return f"Stopped: {listed(fatal)}"
    parts = report["splits"].values()
    if not parts:
        return f"Stopped before there were splits: {report['stopped']}"
    images = count(sum(part["images"] for part in parts), "images")
    boxes = count(sum(part["boxes"] for part in parts), "boxes")
    return f"{images}, {boxes}, {count(len(report['classes']), 'classes')}"


def verdict(report: dict) -> str:
    """How many kinds of findings there are and what was done, by severity."""
    findings = report["findings"]
    if not findings:
        return "Nothing was found wrong."
    actions: dict[str, Counter[str]] = {severity: Counter() for severity in SEVERITIES}
    for finding in findings:
        actions[finding["severity"]][finding["action"]] += 1
    sentences = [_done(severity, counts) for severity, counts in actions.items() if counts]
    kinds = "1 kind of finding"
    if len(findings) > 1:
        kinds = f"{len(findings)} kinds of findings"
    return f"{kinds}. {'; '.join(sentences).capitalize()}."


def _done(severity: str, counts: Counter[str]) -> str:
    actions = next(iter(counts))
    if len(counts) > 1:
        actions = ", ".join(f"{counts[action]} {action}" for action in GRAVEST if counts[action])
    return f"{count(counts.total(), _KINDS[severity])}: {actions}"


_PIXELS = {
    "decode": "every image decoded",
    "header": "headers read, pixels not decoded",
    "none": "no image file opened",
}


def facts(report: dict) -> list[tuple[str, list[str]]]:
    """Label and lines of what is printed under the headline."""
    pixels, changes = report["pixels"], report["changes"]
    entries = {
        "data set": [report.get("name")],
        "source": [report["source"]],
        "read": list(map(_file_line, report["files"])),
        "images": [report["image_root"]],
        "pixels": [f"{pixels}: {_PIXELS[pixels]}"],
        "changes": [f"{count(changes['rows'], 'rows')} in {changes['file']}"],
        "digest": [report["digest"]],
    }
    return [(label, lines) for label, lines in entries.items() if any(lines)]


def _file_line(file: dict) -> str:
    images, boxes = count(file["images"], "images"), count(file["boxes"], "boxes")
    folder = file["folder"] or "."
    return f"{file['annotations']} ({file['split']}): {images} in {folder}, {boxes}"


def grouping(groups: dict) -> str:
    """What was kept together when the images were split, "" where nothing is known."""
    if not groups:
        return ""
    text = (
        f"{count(groups['images'], 'images')} in {count(groups['groups'], 'groups')}, "
        f"the largest of {count(groups['largest'], 'images')}"
    )
    if groups["column"]:
        text = f"Images that share a value of {groups['column']} belong together: {text}"
    pairs = groups["near_duplicate_pairs"]
    verb = form(pairs, "was", "were")
    return f"{text}; {count(pairs, 'pairs')} of near-duplicate images {verb} found."
