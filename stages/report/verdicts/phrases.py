"""Estimates, pairs and standings as short texts: values with intervals, what would decide,
tooltips; the order of the judged cells, and what the chosen one is weighed against."""

from __future__ import annotations

from collections.abc import Mapping

from stages.report.table import label_of
from stages.study.counts import count
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Judgement
from stages.verdict.pairs import Pair
from stages.verdict.wording import chance, signed, value, with_interval

# Word -> symbol and class of the style sheet: colour never says it alone.
OUTCOMES = {
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
# More than so many times the images is no advice.
_HOPELESS = 1000


def percent(probability: float) -> str:
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
    ends = f"{value(estimate.low)} to {value(estimate.high)}"
    return f"{value(estimate.value)}, 95 % interval {ends} ({basis(estimate)})"


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


def pair_text(pair: Pair) -> str:
    """A pair's difference with the interval at the level that decided it."""
    return difference_text(pair.difference.value, pair.adjusted)


def pair_title(
    pair: Pair, judgement: Judgement, metric: str, run_ids: Mapping[str, str], family: int
) -> str:
    """All that is known of a pair, line by line, for a tooltip."""
    by = topics(judgement, pair.first, pair.second)
    lines = [
        f"{pair.first} against {pair.second}: {pair.outcome}",
        f"{label_of(metric)}: {pair_text(pair)} ({basis(pair.difference)})",
        f"probability of being better {pair.probability:.3f}, {chance(pair.p)}; "
        f"{chance(pair.p_holm)} after Holm's correction over {count(family, 'pairs')}, "
        "at whose level the interval is",
    ]
    if advice := needed(pair):
        lines.append(advice)
    if by:
        lines.append(f"confounded by {', '.join(by)}")
    lines.append(f"runs {run_text(pair.first, run_ids)} and {run_text(pair.second, run_ids)}")
    return "\n".join(lines)


def run_text(row: str, run_ids: Mapping[str, str]) -> str:
    return run_ids.get(row) or "not tracked"


def needed(pair: Pair) -> str:
    """How many images or repeats would decide an open pair, "" where that is not known."""
    estimate = pair.difference
    supposed = "if the difference is what it seems"
    if pair.images_needed and pair.images_needed > _HOPELESS * estimate.images:
        return f"would not be decided by {_HOPELESS:,} times as many images, {supposed}"
    ways = []
    if pair.images_needed:
        ways.append(f"{pair.images_needed:,} images instead of {estimate.images:,}")
    if pair.repeats_needed:
        if estimate.splits > 1:
            ways.append(f"{pair.repeats_needed} splits instead of {estimate.splits}")
        else:
            runs = " and ".join(map(str, estimate.runs))
            ways.append(f"{pair.repeats_needed} runs of each instead of {runs}")
    if not ways:
        return ""
    return f"would be decided by about {' or by '.join(ways)}, {supposed}"


def topics(judgement: Judgement, first: str, second: str) -> tuple[str, ...]:
    """What a pair is confounded by; nothing where it was compared fairly or not at all."""
    fairness = judgement.fairness.get((first, second))
    return fairness.topics if fairness else ()


def order(judgement: Judgement, metric: str = "") -> list[str]:
    """The judged cells in falling value of the metric, those without one last."""
    metric = metric or judgement.metric

    def falling(name: str) -> tuple[bool, float]:
        estimate = judgement.estimates[name].get(metric)
        if estimate is None:
            return True, 0.0
        return False, -estimate.value

    return sorted(judgement.estimates, key=falling)


def rival(judgement: Judgement) -> str | None:
    """The best cell, or where that is chosen, the next one."""
    chosen, best = judgement.choice.chosen, judgement.choice.best
    if chosen is None:
        return None
    if chosen != best:
        return best
    for name in order(judgement):
        if name != chosen and judgement.pair(chosen, name):
            return name
    return None
