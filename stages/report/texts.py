"""Estimates and differences as short texts, and text that stays text in Markdown."""

from __future__ import annotations

import re

from stages.study.counts import count
from stages.verdict.estimates import Estimate
from stages.verdict.wording import signed, value, with_interval

# Characters that begin a construct of CommonMark, of GitHub's tables or of its automatic links
# anywhere in a line. Cell names are full of underscores inside words, which begin none
# (https://spec.commonmark.org/0.31.2/#emphasis-and-strong-emphasis).
_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<!\w)_|_(?!\w)|(?<=:)/")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# Word -> symbol and class of the style sheet: colour never says it alone.
OUTCOME_MARKS = {
    "better": ("▲", "good"),
    "worse": ("▼", "bad"),
    "not distinguishable": ("≈", "open"),
    "best": ("★", "good"),
    "as good": ("≈", "good"),
    "supported": ("✓", "good"),
    "rejected": ("✗", "bad"),
    "undecided": ("?", "open"),
    "": ("", "open"),
}
TOO_FEW = "too few boxes to decide"


def escape(value: object) -> str:
    """`value` as one line of Markdown that shows exactly its characters."""
    line = " ".join(str(value).split())
    return _SPECIAL.sub(r"\\\g<0>", line).translate(_HTML)


def percent_text(probability: float) -> str:
    """Never rounded to certainty."""
    if probability < 0.005:
        return "under 1 %"
    if probability > 0.995:
        return "over 99 %"
    return f"{100 * probability:.0f} %"


def interval_text(estimate: Estimate | None) -> str:
    """A value with its interval and what that rests on, "" for None."""
    if estimate is None:
        return ""
    ends = ends_text(estimate.low, estimate.high)
    return f"{value(estimate.value)}, 95 % interval {ends} ({basis(estimate)})"


def ends_text(low: float, high: float) -> str:
    """Of the interval of a score."""
    return f"{value(low)} to {value(high)}"


def basis(estimate: Estimate) -> str:
    """What an estimate rests on: boxes, images, and runs or splits where there are several."""
    boxes = count(estimate.boxes, "boxes")
    parts = [boxes, count(estimate.images, "images")]
    if estimate.splits > 1:
        parts.append(f"{estimate.splits} splits")
    if max(estimate.runs, default=1) > 1:
        parts.append(f"{' and '.join(map(str, estimate.runs))} runs")
    if estimate.thin:
        parts.append(TOO_FEW)
    return ", ".join(parts)


def difference_text(difference: float, ends: tuple[float, float] | None) -> str:
    """A difference with its interval, as in the table: -0.012 [-0.030, +0.006]."""
    if ends is None:
        return f"{signed(difference)}, {TOO_FEW}"
    return with_interval(difference, ends)
