"""What the report says first: which cell to ship, why, how sure that is, at what cost, what test
says of it, and which classes no good cell finds."""

from __future__ import annotations

from dataclasses import dataclass

from stages.report.table import label_of
from stages.report.verdicts.phrases import needed, order, pair_text, percent, rival, topics
from stages.study.counts import count
from stages.verdict.choice import Possible
from stages.verdict.costs import COSTS
from stages.verdict.holding import contradictions
from stages.verdict.judgement import Judgement
from stages.verdict.pairs import Pair
from stages.verdict.wording import amount, enumeration, shortened, signed, value

# An AP50 of no more than this counts as hardly found.
NEAR_ZERO = 0.05
_MOST_NAMES = 4
# State -> symbol, class of the style sheet and words.
STATES = {
    "holds": ("✓", "good", "The choice holds"),
    "probable": ("?", "open", "Most probable, not shown"),
    "fails": ("✗", "bad", "The choice does not hold"),
}


@dataclass(frozen=True)
class Point:
    label: str
    text: str


@dataclass(frozen=True)
class Card:
    """ship: the choice in one line; state: a key of STATES; because: one sentence; points: how
    sure, at what cost, what test says; warning: on classes that are hardly found, or "".

    why: what the choice rests on, or what is in its way; details: the rest, in sentences; holes:
    selected rows without results and why.
    """

    ship: str
    state: str
    because: str
    points: tuple[Point, ...]
    warning: str
    why: str
    details: tuple[str, ...]
    holes: tuple[tuple[str, str], ...]
    metric: str


def card(judgement: Judgement) -> Card:
    state = _state(judgement)
    points = [
        Point("How sure", _sure(judgement)),
        Point("Cost", _cost(judgement)),
        Point("Test", _test(judgement)),
    ]
    return Card(
        ship=_ship(judgement, state),
        state=state,
        because=_because(judgement, state),
        points=tuple(point for point in points if point.text),
        warning=weak_sentence(judgement),
        why=judgement.named(judgement.why),
        details=tuple(_details(judgement)),
        holes=tuple(judgement.holes.items()),
        metric=label_of(judgement.metric),
    )


def _state(judgement: Judgement) -> str:
    choice = judgement.choice
    if judgement.holds:
        return "holds"
    if choice.chosen is None or choice.shown or judgement.obstructed:
        return "fails"
    return "probable"


def _ship(judgement: Judgement, state: str) -> str:
    chosen = judgement.choice.chosen
    if chosen is None:
        return "Nothing to ship yet"
    if state == "fails":
        return f"{judgement.short(chosen)} is ahead, but do not ship it yet"
    return f"Ship {judgement.short(chosen)}"


def _because(judgement: Judgement, state: str) -> str:
    choice, metric = judgement.choice, label_of(judgement.metric)
    if choice.chosen is None:
        return f"No cell has a {metric}."
    if len(judgement.estimates) < 2:
        return "It is the only cell with results: there is nothing to compare it with."
    if state == "fails":
        return judgement.named(judgement.why)
    standing = judgement.standings.get(choice.chosen)
    score = value(judgement.estimates[choice.chosen][judgement.metric].value)
    margin = f"{judgement.margin:g}"
    if standing is None:
        return f"It has the highest {metric}, {score}."
    loss = value(standing.loss_high)
    if not choice.shown:
        return (
            f"It has the highest {metric}, {score}, but it may still lose up to {loss} against "
            f"whichever cell is really the best; {margin} is accepted."
        )
    within = f"at most {loss} against whichever cell is really the best, and {margin} is accepted"
    if choice.chosen == choice.best:
        return f"It has the highest {metric}, {score}, and is shown to lose {within}."
    return f"It is the cheapest cell that is shown to be good enough: it loses {within}."


def _sure(judgement: Judgement) -> str:
    chosen = judgement.choice.chosen
    standing = judgement.standings.get(chosen or "")
    if standing is None or len(judgement.standings) < 2:
        return ""
    text = (
        f"{percent(standing.p_best)} probability to be the best; expected loss "
        f"{value(standing.expected_loss)}."
    )
    rivals = [
        name
        for name in order(judgement)
        if name in judgement.standings
        and judgement.standings[name].possible_best
        and name != chosen
    ]
    if rivals:
        words = "Possible as the best"
        if standing.possible_best:
            words = "Also possible as the best"
        return f"{text} {words}: {enumeration(map(judgement.short, rivals))}."
    return f"{text} Every other cell is ruled out as the best."


def _cost(judgement: Judgement) -> str:
    choice = judgement.choice
    if choice.chosen is None:
        return ""
    if choice.cost is None:
        return "No cost was measured."
    word, unit = COSTS[choice.cost]
    own = judgement.costs.get(choice.chosen, {}).get(choice.cost)
    if own is None:
        return f"Its {word} was not measured."
    text = f"{word.capitalize()} {amount(own)} {unit}".rstrip()
    theirs = judgement.costs.get(choice.best or "", {}).get(choice.cost)
    if choice.chosen != choice.best and theirs:
        name = judgement.short(choice.best or "")
        gain = "not shown to be less than"
        if choice.saved is not None:
            gain = f"{percent(choice.saved)} less than"
        text += f", {gain} {name} with {amount(theirs)} {unit}".rstrip()
    if not choice.cheaper:
        return f"{text}; no cheaper cell may be as good."
    cheapest = choice.cheaper[0]
    if len(choice.cheaper) == 1:
        return f"{text}. {_possible(cheapest, judgement)}."
    return (
        f"{text}. {len(choice.cheaper)} cheaper cells may be good enough; "
        f"{judgement.short(cheapest.name)} would save {percent(cheapest.saved)}, but could lose up "
        f"to {value(cheapest.loss_high)}."
    )


def _possible(possible: Possible, judgement: Judgement) -> str:
    return (
        f"{judgement.short(possible.name)} would save {percent(possible.saved)} and may be good "
        f"enough, but could lose up to {value(possible.loss_high)}"
    )


def _test(judgement: Judgement) -> str:
    """What the images say that took no part in choosing."""
    chosen, metric = judgement.choice.chosen, judgement.test_metric
    if chosen is None or judgement.metric == metric:
        return ""
    own = judgement.estimates[chosen].get(metric)
    name, label = judgement.short(chosen), label_of(metric)
    if own is None:
        return f"Cannot confirm it: {name} has no {label}."
    cells = len(judgement.estimates)
    score = f"{label} {value(own.value)} [{value(own.low)}, {value(own.high)}]"
    if cells == 1:
        return f"{score}."
    top = order(judgement, metric)[0]
    if top == chosen:
        return f"Agrees: {score}, the highest of {count(cells, 'cells')}."
    best = judgement.estimates[top][metric]
    highest = f"{judgement.short(top)} has {value(best.value if best else None)}"
    pair = judgement.pair(chosen, top, metric)
    if pair is None:
        return f"Cannot confirm it: {name} and {judgement.short(top)} were not compared there."
    if contradictions(judgement):
        return (
            f"Contradicts it: {score}; {highest}, more by over the accepted {judgement.margin:g}."
        )
    if pair.outcome == "worse":
        return (
            f"Does not contradict it: {score}; {highest}, significantly more, but not shown to be so "
            f"by over the accepted {judgement.margin:g}."
        )
    return f"Does not contradict it: {score}; {highest}, which is not significantly more."


def _details(judgement: Judgement) -> list[str]:
    """What the card leaves out: the comparison with the rival and the cheaper cells."""
    chosen, best_rival = judgement.choice.chosen, rival(judgement)
    details = []
    pair = None
    if chosen and best_rival:
        pair = judgement.pair(chosen, best_rival)
    if pair is not None:
        details.append(pair_sentence(pair, judgement, judgement.metric))
        by = topics(judgement, pair.first, pair.second)
        if by:
            details.append(f"The two also differ in {', '.join(by)}: the comparison is confounded.")
    for possible in judgement.choice.cheaper:
        details.append(f"{_possible(possible, judgement)}{_decides(possible)}.")
    return details


def _decides(possible: Possible) -> str:
    if possible.images_needed:
        return f"; about {possible.images_needed:,} images would decide that"
    if possible.repeats_needed:
        return f"; about {possible.repeats_needed} runs of each would decide that"
    return ""


def pair_sentence(pair: Pair, judgement: Judgement, metric: str) -> str:
    """A pair as a sentence: who against whom, difference, interval and what that means."""
    first, second = judgement.short(pair.first), judgement.short(pair.second)
    family = count(len(judgement.pairs[metric]), "pairs")
    text = f"{first} against {second} in {label_of(metric)}: {signed(pair.difference.value)}"
    if pair.adjusted is not None:
        text = f"{first} against {second} in {label_of(metric)}: {pair_text(pair)}"
    text += f", corrected for {family}: {pair.outcome}."
    if advice := needed(pair):
        text += f" It {advice}."
    return text


def weak_sentence(judgement: Judgement) -> str:
    """The warning on the classes that no good cell finds, those of most boxes first, and what they
    take from the mean; "" for none."""
    split = judgement.metric.split("/")[0]
    highest: dict[str, float] = {}
    numbers: dict[str, int] = {}
    for cell in judgement.good:
        for group in judgement.groups.get(cell, {}).get(split, ()):
            if group.kind == "class" and group.AP50 is not None and group.boxes:
                numbers[group.name] = max(numbers.get(group.name, 0), group.boxes)
                highest[group.name] = max(highest.get(group.name, 0.0), group.AP50.value)
    weak = [name for name, score in highest.items() if score <= NEAR_ZERO]
    if not weak:
        return ""
    listed = []
    for name in sorted(weak, key=lambda name: -numbers[name]):
        listed.append(f"{name} (AP50 {highest[name]:.3f} at best, {count(numbers[name], 'boxes')})")
    return (
        f"No good cell finds {', '.join(shortened(listed, _MOST_NAMES))}: {len(weak)} of "
        f"{len(highest)} classes, and so {100 * len(weak) / len(highest):.0f} % of "
        f"{label_of(judgement.metric)}."
    )
