"""Numbers, levels and rows as the texts of verdicts have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stages.verdict.expressions import FACTORS, TRAIN_SHARE, Level, is_share

# More pairs or rows than these are counted, not told; `metric: every` makes six.
MOST = 6


def corrected(comparisons: int) -> str:
    """What follows an interval and a p that are corrected for this number of comparisons."""
    if comparisons < 2:
        return ""
    return f" (corrected for {comparisons} comparisons)"


def false_alarms(number: float) -> str:
    """What Judgement.false_alarms says, "" where no hypothesis was tested."""
    if not number:
        return ""
    return (
        f"Of these hypotheses at most {number:.2g} would be expected to be decided by chance alone."
    )


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


def chance(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}s"


def boxes(number: int) -> str:
    """ "1 box", "4,690 boxes"."""
    return f"{number:,} {'box' if number == 1 else 'boxes'}"


def is_or_are(number: int) -> str:
    return "is" if number == 1 else "are"


def amount(cost: float) -> str:
    """A cost in its unit, as a reader needs it."""
    if cost >= 1000:
        return f"{cost:,.0f}"
    return f"{cost:.3g}"
