"""The order of the judged cells, and what the chosen one is weighed against."""

from __future__ import annotations

from stages.verdict.judgement import Judgement


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
