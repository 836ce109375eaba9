"""What the report says first: the cell to ship, whether that holds, how sure it is, and what test says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.table import label_of
from stages.report.verdicts.intervals import Axis, Mark, axis_of, mark
from stages.report.verdicts.standing import interval_text, needed, pair_title, spread, topics
from stages.verdict.judgement import Judgement
from stages.verdict.pairs import Pair
from stages.verdict.wording import chance, count, signed


@dataclass(frozen=True)
class Row:
    """A cell against the best in the deciding metric, as a row of the plot; mark is None without a verdict."""

    name: str
    outcome: str
    text: str
    title: str
    mark: Mark | None
    chosen: bool
    confounded: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """sentence: the choice; verdict: whether it holds, in words; why: what that rests on. sure, test: sentences.
    holes: selected rows without results and why. rows: every cell against the best on `axis`, the best first."""

    sentence: str
    holds: bool
    verdict: str
    why: str
    sure: tuple[str, ...]
    test: tuple[str, ...]
    holes: tuple[tuple[str, str], ...]
    axis: Axis
    rows: tuple[Row, ...]
    metric: str


def decision(judgement: Judgement, run_ids: dict[str, str]) -> Decision:
    axis, rows = _rows(judgement, run_ids)
    return Decision(
        judgement.choice.sentence, judgement.holds, "The choice holds" if judgement.holds else
        "The choice does not hold", judgement.why, tuple(_sure(judgement)), tuple(_test(judgement)),
        tuple(judgement.holes.items()), axis, rows, label_of(judgement.metric))


def order(judgement: Judgement, metric: str = "") -> list[str]:
    """The judged cells in falling value of the metric, those without one last."""
    metric = metric or judgement.metric
    found = {name: known.get(metric) for name, known in judgement.estimates.items()}
    return sorted(found, key=lambda name: (found[name] is None, -found[name].value if found[name] else 0.0))


def rival(judgement: Judgement) -> str | None:
    """The cell that the choice is weighed against: the best, or where that is chosen, the next one."""
    choice = judgement.choice
    if choice.chosen is None:
        return None
    if choice.chosen != choice.best:
        return choice.best
    others = [name for name in order(judgement) if name != choice.chosen and judgement.pair(choice.chosen, name)]
    return others[0] if others else None


def told(pair: Pair, metric: str, family: int) -> str:
    """A pair as a sentence: who against whom, difference, interval, probability, corrected p and what that means."""
    one = pair.difference
    text = (f"{pair.first} against {pair.second} in {label_of(metric)}: {signed(one.value)}, 95 % interval "
            f"{signed(one.low)} to {signed(one.high)}; better with a probability of {_share(pair.probability)}, "
            f"{chance(pair.p_holm)} after correction for {count(family, 'pair')}: {pair.outcome}")
    return f"{text}. It {needed(pair)}." if needed(pair) else f"{text}."


def _share(probability: float) -> str:
    """In per cent, never rounded to certainty."""
    if probability < 0.005:
        return "under 1 %"
    return "over 99 %" if probability > 0.995 else f"{100 * probability:.0f} %"


def _sure(judgement: Judgement) -> Sequence[str]:
    chosen, other = judgement.choice.chosen, rival(judgement)
    pair = judgement.pair(chosen, other) if chosen and other else None
    if pair is None:
        return ["No pair of cells could be compared."] if len(judgement.estimates) > 1 else []
    text = told(pair, judgement.metric, len(judgement.pairs[judgement.metric]))
    by = topics(judgement, chosen, other)
    return [text, f"The two also differ in {', '.join(by)}: the comparison is confounded."] if by else [text]


def _test(judgement: Judgement) -> Sequence[str]:
    """What the images say that took no part in choosing."""
    split, _, key = judgement.metric.partition("/")
    chosen, metric = judgement.choice.chosen, f"test/{key}"
    if split == "test" or chosen is None:
        return []
    own = judgement.estimates.get(chosen, {}).get(metric)
    if own is None:
        return [f"Test cannot confirm it: {chosen} has no {label_of(metric)}."]
    top, number = order(judgement, metric)[0], len(judgement.estimates)
    if top == chosen:
        others = f", the highest of {count(number, 'cell')}" if number > 1 else ""
        found = [judgement.pair(chosen, name, metric) for name in judgement.estimates if name != chosen]
        beaten = sum(pair is not None and pair.outcome == "better" for pair in found)
        tail = ""
        if number == 2:
            tail = f"; the other one is {'' if beaten else 'not '}significantly worse there"
        elif number > 2:
            tail = f"; {beaten} of the {number - 1} others {'is' if beaten == 1 else 'are'} significantly worse there"
        return [f"Test {'agrees' if number > 1 else 'says'}: {chosen} has a {label_of(metric)} of {interval_text(own)}"
                f"{others}{tail}."]
    pair = judgement.pair(chosen, top, metric)
    if pair is None:
        return [f"Test cannot confirm it: {chosen} and {top} were not compared there."]
    says = {"worse": "Test contradicts it", "better": "Test agrees"}.get(pair.outcome, "Test does not contradict it")
    return [f"{says}: there {top} has the highest {label_of(metric)}, {judgement.estimates[top][metric].value:.3f}. "
            + told(pair, metric, len(judgement.pairs[metric]))]


def _rows(judgement: Judgement, run_ids: dict[str, str]) -> tuple[Axis, tuple[Row, ...]]:
    best, family = judgement.choice.best, len(judgement.pairs.get(judgement.metric, ()))
    pairs = {name: judgement.pair(name, best) for name in order(judgement) if best and name != best}
    ends = [end for pair in pairs.values() if pair
            for end in (pair.difference.low, pair.difference.high, pair.difference.value)]
    axis = axis_of(ends)
    rows = []
    for name in order(judgement):
        pair, chosen = pairs.get(name), name == judgement.choice.chosen
        if name == best:
            own = interval_text(judgement.estimates[name].get(judgement.metric))
            rows.append(Row(name, "best", own.split(",")[0], f"{name}\n{judgement.metric} = {own}\n"
                            f"run {run_ids.get(name) or 'not tracked'}", mark(axis, 0.0), chosen, ()))
        elif pair:
            one, by = pair.difference, topics(judgement, name, best)
            rows.append(Row(name, pair.outcome, spread(one), pair_title(pair, judgement.metric, run_ids, family, by),
                            mark(axis, one.value, one.low, one.high), chosen, by))
        else:
            rows.append(Row(name, "", "no verdict", f"{name}: no verdict", None, chosen, ()))
    return axis, tuple(rows)

