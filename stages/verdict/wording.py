"""Numbers, lists of names, levels and rows as the texts of verdicts have them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from stages.study.counts import shortened
from stages.study.schema import FACTORS
from stages.verdict.expressions import TRAIN_SHARE, Level, is_share

# More pairs or rows than these are counted, not told; `metric: every` makes six.
MOST_LISTED = 6
_MOST_NAMES = 4


def corrected(comparisons: int) -> str:
    """What follows an interval and a p that are corrected for this number of comparisons."""
    if comparisons < 2:
        return ""
    return f" (corrected for {comparisons} comparisons)"


def row(levels: Mapping[str, Any]) -> str:
    """A row as "faster_rcnn, r50, fpn, sgd, 512"; factors that are not given are left out."""
    parts = [str(levels[factor]) for factor in FACTORS if factor in levels]
    # All of the images goes without saying, where anything else is said.
    if TRAIN_SHARE in levels and (levels[TRAIN_SHARE] != 1 or not parts):
        parts.append(level(levels[TRAIN_SHARE]))
    return ", ".join(parts)


def level(of_factor: Level) -> str:
    """A bare share would not say what it is."""
    if is_share(of_factor):
        return f"{TRAIN_SHARE} {of_factor:g}"
    return str(of_factor)


def value(number: float | None) -> str:
    if number is None:
        return "n/a"
    return f"{number:.3f}"


def signed(difference: float) -> str:
    """Three decimals, or one digit where those would hide a difference that is not zero."""
    if difference == 0 or not math.isfinite(difference) or abs(difference) >= 0.0005:
        return f"{difference + 0.0:+.3f}"
    return f"{difference:+.1g}"


def interval(ends: tuple[float, float]) -> str:
    """Of a difference: [-0.030, +0.006]."""
    return f"[{signed(ends[0])}, {signed(ends[1])}]"


def with_interval(difference: float, ends: tuple[float, float]) -> str:
    return f"{signed(difference)} {interval(ends)}"


def chance(p: float) -> str:
    """With as many digits as tell it from .05."""
    if p < 0.001:
        return "p < 0.001"
    digits = 3
    while f"{p:.{digits}f}" == f"{0.05:.{digits}f}" and p != 0.05:
        digits += 1
    return f"p = {p:.{digits}f}"


def enumeration(names: Iterable[str]) -> str:
    """ "r50, r101 and x101"; of many names the first four and how many more."""
    *parts, last = shortened(names, _MOST_NAMES) or [""]
    return f"{', '.join(parts)} and {last}" if parts else last


def amount(cost: float) -> str:
    """A cost in its unit, as a reader needs it."""
    if cost >= 1000:
        return f"{cost:,.0f}"
    return f"{cost:.3g}"
