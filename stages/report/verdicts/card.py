"""What the report says first: which cell to ship, why, how sure that is, at what cost, what test
says of it, and which classes no good cell finds."""

from __future__ import annotations

from dataclasses import dataclass

from stages.report.shown_cells import ranked_cells
from stages.report.table import label_of
from stages.report.texts import percent_text
from stages.report.verdicts.pairs import deciding_numbers, pair_text, rival, topics
from stages.study.counts import count, shortened
from stages.verdict.costs import COST_WORDS
from stages.verdict.holding import contradictions
from stages.verdict.judgement import Judgement
from stages.verdict.wording import amount, enumeration, signed, value

# An AP50 of no more than this counts as hardly found.
NEAR_ZERO = 0.05
_MOST_NAMES = 4
# State -> symbol, class of the style sheet and words.
CHOICE_STATES = {
    "holds": ("✓", "good", "The choice holds"),
    "probable": ("?", "open", "Most probable, not shown"),
    "fails": ("✗", "bad", "The choice does not hold"),
}


@dataclass(frozen=True)
class Card:
    """ship: the choice in one line; state: a key of CHOICE_STATES; because: one sentence; points:
    how sure, at what cost, what test says; warning: on classes that are hardly found, or "".

    details: the rest, in sentences.
    """

    ship: str
    state: str
    because: str
    points: dict[str, str]
    warning: str
    details: list[str]


def choice_card(judgement: Judgement) -> Card:
    choice = judgement.choice
    state = "probable"
    if judgement.holds:
        state = "holds"
    elif choice.chosen is None or choice.shown or judgement.obstructed:
        state = "fails"
    warning = weak_sentence(judgement)
    if choice.chosen is None:
        metric = label_of(judgement.metric)
        return Card("Nothing to ship yet", state, f"No cell has a {metric}.", {}, warning, [])
    short = judgement.short(choice.chosen)
    points = {
        "How sure": _sure(judgement, choice.chosen),
        "Cost": _cost(judgement, choice.chosen),
        "Test": _test(judgement, choice.chosen),
    }
    return Card(
        ship=f"{short} is ahead, but do not ship it yet" if state == "fails" else f"Ship {short}",
        state=state,
        because=_because(judgement, choice.chosen, state),
        points={label: text for label, text in points.items() if text},
        warning=warning,
        details=_details(judgement),
    )


def _because(judgement: Judgement, chosen: str, state: str) -> str:
    choice = judgement.choice
    if len(judgement.estimates) < 2:
        return "It is the only cell with results: there is nothing to compare it with."
    if state == "fails":
        return judgement.named(judgement.why)
    score = value(judgement.estimates[chosen][judgement.metric].value)
    highest = f"It has the highest {label_of(judgement.metric)}, {score}"
    standing = judgement.standings.get(chosen)
    if standing is None:
        return f"{highest}."
    loss, margin = value(standing.loss_high), f"{judgement.margin:g}"
    if not choice.shown:
        return (
            f"{highest}, but it may still lose up to {loss} against whichever cell is really the "
            f"best; {margin} is accepted."
        )
    within = f"at most {loss} against whichever cell is really the best, and {margin} is accepted"
    if chosen == choice.best:
        return f"{highest}, and is shown to lose {within}."
    return f"It is the cheapest cell that is shown to be good enough: it loses {within}."


def _sure(judgement: Judgement, chosen: str) -> str:
    standing = judgement.standings.get(chosen)
    if standing is None or len(judgement.standings) < 2:
        return ""
    rivals = []
    for name in ranked_cells(judgement):
        rival_standing = judgement.standings.get(name)
        if name != chosen and rival_standing and rival_standing.possible_best:
            rivals.append(judgement.short(name))
    possible = "Every other cell is ruled out as the best"
    if rivals:
        words = "Also possible" if standing.possible_best else "Possible"
        possible = f"{words} as the best: {enumeration(rivals)}"
    return (
        f"{percent_text(standing.p_best)} probability to be the best; expected loss "
        f"{value(standing.expected_loss)}. {possible}."
    )


def _cost(judgement: Judgement, chosen: str) -> str:
    choice = judgement.choice
    word, unit = COST_WORDS[choice.cost]
    cost = judgement.candidates[chosen].cost(choice.cost)
    if cost is None:
        return f"Its {word} was not measured."
    text = f"{word.capitalize()} {amount(cost)} {unit}".rstrip()
    best = choice.best or chosen
    highest = judgement.candidates[best].cost(choice.cost)
    if chosen != best and highest:
        gain = "not shown to be less than"
        if choice.saved is not None:
            gain = f"{percent_text(choice.saved)} less than"
        text += f", {gain} {judgement.short(best)} with {amount(highest)} {unit}".rstrip()
    if not choice.cheaper:
        return f"{text}; {_not_cheaper(judgement, chosen, choice.cost, cost)}."
    # Of the cheaper ones the one that a reader may trade most safely.
    losses = {name: judgement.standings[name].loss_high for name in choice.cheaper}
    safest = min(losses, key=lambda name: losses[name])
    if len(choice.cheaper) == 1:
        return f"{text}. {_possible(safest, judgement)}."
    return (
        f"{text}. {len(choice.cheaper)} cheaper cells may be good enough; "
        f"{judgement.short(safest)} would save {percent_text(choice.cheaper[safest])}, but could lose up "
        f"to {value(losses[safest])}."
    )


def _not_cheaper(judgement: Judgement, chosen: str, key: str, cost: float) -> str:
    """Why no cell is named as cheaper: none may be as good, or the rounds of those overlap with the
    chosen one's. cost: the chosen one's."""
    lower = []
    for name, standing in judgement.standings.items():
        own = judgement.candidates[name].cost(key)
        may_do = standing.interval[1] >= -judgement.margin
        if name != chosen and own is not None and own < cost and may_do:
            lower.append(f"{judgement.short(name)} ({amount(own)})")
    if not lower:
        return "no cheaper cell may be as good"
    return (
        f"that of {enumeration(lower)} is not shown to be lower, since it varied between rounds by "
        "as much as they are apart"
    )


def _possible(name: str, judgement: Judgement) -> str:
    saved, loss = judgement.choice.cheaper[name], judgement.standings[name].loss_high
    return (
        f"{judgement.short(name)} would save {percent_text(saved)} and may be good enough, but could "
        f"lose up to {value(loss)}"
    )


def _test(judgement: Judgement, chosen: str) -> str:
    """What the images say that took no part in choosing."""
    metric = judgement.test_metric
    if judgement.metric == metric:
        return ""
    estimate = judgement.estimates[chosen].get(metric)
    name, label = judgement.short(chosen), label_of(metric)
    if estimate is None:
        return f"Cannot confirm it: {name} has no {label}."
    cells = len(judgement.estimates)
    score = f"{label} {value(estimate.value)} [{value(estimate.low)}, {value(estimate.high)}]"
    if cells == 1:
        return f"{score}."
    top = ranked_cells(judgement, metric)[0]
    if top == chosen:
        return f"Agrees: {score}, the highest of {count(cells, 'cells')}."
    pair = judgement.pair(chosen, top, metric)
    if pair is None:
        return f"Cannot confirm it: {name} and {judgement.short(top)} were not compared there."
    highest = judgement.estimates[top][metric].value
    scores = f"{score}; {judgement.short(top)} has {value(highest)}"
    if contradictions(judgement):
        return f"Contradicts it: {scores}, more by over the accepted {judgement.margin:g}."
    if pair.outcome == "worse":
        return (
            f"Does not contradict it: {scores}, significantly more, but not shown to be so by over "
            f"the accepted {judgement.margin:g}."
        )
    return f"Does not contradict it: {scores}, which is not significantly more."


def _details(judgement: Judgement) -> list[str]:
    """What the card leaves out: the comparison with the rival and the cheaper cells."""
    details = []
    pair = rival(judgement)
    if pair is not None:
        first, second = judgement.short(pair.first), judgement.short(pair.second)
        difference = signed(pair.difference.value) if pair.adjusted is None else pair_text(pair)
        family = count(len(judgement.pairs[judgement.metric]), "pairs")
        text = (
            f"{first} against {second} in {label_of(judgement.metric)}: {difference}, corrected for "
            f"{family}: {pair.outcome}."
        )
        if advice := deciding_numbers(pair):
            text += f" It {advice}."
        details.append(text)
        by = topics(judgement, pair)
        if by:
            details.append(f"The two also differ in {', '.join(by)}: the comparison is confounded.")
    for name in judgement.choice.cheaper:
        standing, decides = judgement.standings[name], ""
        if standing.images_needed:
            decides = f"; about {standing.images_needed:,} images would decide that"
        elif standing.repeats_needed:
            decides = f"; about {standing.repeats_needed} runs of each would decide that"
        details.append(f"{_possible(name, judgement)}{decides}.")
    return details


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
