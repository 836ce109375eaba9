"""Whether the choice may be acted on: what stands in its way, or what it rests on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from stages.verdict.costs import COSTS
from stages.verdict.judgement import Judgement
from stages.verdict.pairs import Pair
from stages.verdict.wording import chance, count, enumeration, form, is_or_are, signed

# What another machine, or the load on it, changes.
_OF_MACHINE = ("latency_ms", "peak_memory_mib", "train_minutes")
# Less of the machine's cores is what an idle one uses: of two cores a fifth of one.
_BUSY = 0.1
_WORDS = {
    "better": "significantly better than",
    "worse": "significantly worse than",
    "not distinguishable": "not distinguishable from",
}


def holds(
    judgement: Judgement,
    elsewhere: Mapping[str, Collection[str]],
    machines: Collection[str],
    busy: Mapping[str, float],
    uneven: Mapping[str, Sequence[str]],
) -> tuple[bool, str]:
    """Whether the chosen cell is shown to be within the margin and nothing speaks against it, and
    why.

    elsewhere: split -> trainings evaluated on other annotations; machines: where the costs were
    measured; busy: row -> the share of the cores that other processes used while its latency was;
    uneven: cell -> what its repeats differ in beside the seed. A confounded comparison does not
    forbid to ship its better cell, but is mentioned.
    """
    against = obstacles(judgement, elsewhere, busy)
    if against:
        return False, f"The choice does not hold: {'; '.join(against)}."
    if not judgement.choice.shown:
        return False, f"Most probable, not shown: {_missing_proof(judgement)}."
    sentences = [
        _basis(judgement),
        *_of_test(judgement),
        *_confounding(judgement),
        *_repeats(judgement, uneven),
        *_measurements(judgement, machines, busy),
    ]
    return True, " ".join(sentences)


def obstacles(
    judgement: Judgement, elsewhere: Mapping[str, Collection[str]], busy: Mapping[str, float]
) -> list[str]:
    """What speaks against the choice, whether it is shown or not. elsewhere, busy: as in
    holds()."""
    metric, choice = judgement.metric, judgement.choice
    against = []
    for split, names in elsewhere.items():
        if names:
            were = form(len(names), "was", "were")
            against.append(
                f"{enumeration(names)} {were} evaluated on other {split} annotations than the others"
            )
    if choice.chosen is None:
        return [*against, f"no cell has a {metric}"]
    if len(judgement.repeats) < 2:
        return [*against, f"{choice.chosen} is the only cell with results"]
    unknown = []
    for name in judgement.repeats:
        if name != choice.best and judgement.pair(name, choice.best) is None:
            unknown.append(name)
    if unknown:
        against.append(
            f"there is no verdict on {enumeration(unknown)} against {choice.best} in {metric}"
        )
    estimate = judgement.estimates[choice.best][metric]
    if estimate.thin:
        against.append(f"{metric} rests on {estimate.boxes} boxes, which are too few to decide")
    for pair in contradictions(judgement):
        against.append(
            f"on the test split {pair.first} loses more than {judgement.margin:g} against "
            f"{pair.second}, {_difference(pair)}"
        )
    return [*against, *_unequal_load(judgement, busy)]


def contradictions(judgement: Judgement) -> list[Pair]:
    """The cells that the chosen one loses more than the margin against on test, by the interval
    that decided the pair: a smaller loss is what was accepted. The chosen cell is the first of each
    pair."""
    chosen, metric = judgement.choice.chosen, judgement.test_metric
    pairs = []
    for name in judgement.repeats:
        pair = judgement.pair(chosen, name, metric)
        if pair is not None and pair.adjusted is not None and pair.adjusted[1] < -judgement.margin:
            pairs.append(pair)
    return pairs


def _unequal_load(judgement: Judgement, busy: Mapping[str, float]) -> list[str]:
    """Where the latency that decides was not measured under equal conditions."""
    if judgement.choice.cost != "latency_ms" or len(busy) < 2:
        return []
    lowest, highest = min(busy, key=busy.get), max(busy, key=busy.get)
    if busy[highest] - busy[lowest] <= _BUSY:
        return []
    return [
        f"the latency was measured under unequal load: other processes used {busy[lowest]:.0%} of "
        f"the machine beside {lowest} and {busy[highest]:.0%} beside {highest}; `make costs` "
        "measures again"
    ]


def _missing_proof(judgement: Judgement) -> str:
    """What keeps the choice from being shown, and what would show it."""
    chosen = judgement.choice.chosen
    standing = judgement.standings.get(chosen)
    if standing is None:
        return f"{chosen} could not be compared"
    text = (
        f"{chosen} may lose up to {standing.loss_high:.3f} of {judgement.metric} against the best of "
        f"all, where {judgement.margin:g} is accepted"
    )
    numbers = []
    if standing.images_needed:
        numbers.append(count(standing.images_needed, "image"))
    if standing.repeats_needed:
        numbers.append(f"{standing.repeats_needed} repeats")
    if numbers:
        text += f"; about {' or '.join(numbers)} would decide it"
    return text


def _basis(judgement: Judgement) -> str:
    choice = judgement.choice
    estimate = judgement.estimates[choice.best][judgement.metric]
    text = (
        f"{choice.chosen} is shown to lose at most "
        f"{judgement.standings[choice.chosen].loss_high:.3f} against the best of all, where "
        f"{judgement.margin:g} is accepted. The choice rests on {estimate.boxes} boxes of "
        f"{estimate.images} images of {judgement.metric.split('/')[0]} and on "
        f"{count(len(judgement.repeats) - 1, 'verdict')} against {choice.best}"
    )
    if choice.chosen == choice.best:
        return f"{text}."
    value = judgement.pair(choice.chosen, choice.best).difference.value
    low, high = judgement.standings[choice.chosen].interval
    return (
        f"{text}; {choice.chosen} differs from it by {signed(value)} (simultaneous 95 % interval "
        f"{signed(low)} to {signed(high)})."
    )


def _of_test(judgement: Judgement) -> list[str]:
    pair = _on_test(judgement)
    if pair is None:
        return []
    text = f"On the test split {pair.first} is {_WORDS[pair.outcome]} {pair.second}, by {_difference(pair)}"
    if pair.difference.thin:
        text += f", on {pair.difference.boxes} boxes, too few to decide"
    return [f"{text}."]


def _confounding(judgement: Judgement) -> list[str]:
    best, chosen = judgement.choice.best, judgement.choice.chosen
    if chosen != best:
        fairness = judgement.fairness.get((chosen, best))
        if fairness is None or fairness.fair:
            return []
        topics = ", ".join(fairness.topics)
        return [f"{chosen} against {best} is confounded: they also differ in {topics}."]
    unfair = 0
    topics_of_all: dict[str, None] = {}
    for (first, _), fairness in judgement.fairness.items():
        if first == best and not fairness.fair:
            unfair += 1
            topics_of_all |= dict.fromkeys(fairness.topics)
    if not unfair:
        return []
    comparisons = count(len(judgement.repeats) - 1, "comparison")
    return [
        f"Of its {comparisons} {unfair} {is_or_are(unfair)} confounded, by {', '.join(topics_of_all)}."
    ]


def _repeats(judgement: Judgement, uneven: Mapping[str, Sequence[str]]) -> list[str]:
    sentences = []
    single = []
    for name in dict.fromkeys((judgement.choice.chosen, judgement.choice.best)):
        if len(judgement.repeats[name]) < 2:
            single.append(name)
    if single:
        sentences.append(
            f"{enumeration(single)} {form(len(single), 'was', 'were')} trained once: another seed may say otherwise."
        )
    for name, topics in uneven.items():
        sentences.append(f"The repeats of {name} also differ in {', '.join(topics)}.")
    return sentences


def _measurements(
    judgement: Judgement, machines: Collection[str], busy: Mapping[str, float]
) -> list[str]:
    cost = judgement.choice.cost
    sentences = []
    if cost in _OF_MACHINE and len(machines) > 1:
        sentences.append(
            f"The {COSTS[cost][0]} was measured on different machines: {'; '.join(sorted(machines))}."
        )
    loaded = {name: share for name, share in busy.items() if share > _BUSY}
    if cost == "latency_ms" and loaded:
        sentences.append(
            f"The latency of {enumeration(loaded)} was measured while other processes used up to "
            f"{max(loaded.values()):.0%} of the machine: alone it may be lower."
        )
    if judgement.holes:
        verb = form(len(judgement.holes), "has", "have")
        rows = count(len(judgement.holes), "selected row")
        sentences.append(f"{rows} {verb} no results: {enumeration(judgement.holes)}.")
    return sentences


def _on_test(judgement: Judgement) -> Pair | None:
    """The chosen cell against another best one on test, None where the two were not compared."""
    choice = judgement.choice
    if choice.chosen == choice.best:
        return None
    return judgement.pair(choice.chosen, choice.best, judgement.test_metric)


def _difference(pair: Pair) -> str:
    """With the interval that decided it."""
    low, high = pair.adjusted or (pair.difference.low, pair.difference.high)
    return (
        f"{signed(pair.difference.value)} (95 % interval {signed(low)} to {signed(high)}, corrected "
        f"{chance(pair.p_holm)})"
    )
