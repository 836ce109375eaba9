"""Whether the choice may be acted on: what stands in its way, or what it rests on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from stages.study.counts import count, form, is_or_are
from stages.verdict.costs import COST_WORDS
from stages.verdict.judgement import Judgement
from stages.verdict.pairs import Pair
from stages.verdict.wording import chance, enumeration, signed

# What another machine, or the load on it, changes.
_OF_MACHINE = ("latency_ms", "peak_memory_mib", "train_minutes")
# Less of the machine's cores is what an idle one uses: of two cores a fifth of one.
_BUSY = 0.1


def holds(
    judgement: Judgement,
    against: Sequence[str],
    machines: Collection[str],
    busy: Mapping[str, float],
    uneven: Mapping[str, Sequence[str]],
) -> tuple[bool, str]:
    """Whether the chosen cell is shown to be within the margin and nothing speaks against it, and
    why.

    against: of obstacles(); machines: where the costs were measured; busy: row -> the share of the
    cores that other processes used while its latency was; uneven: cell -> what its repeats differ
    in beside the seed. A confounded comparison does not forbid to ship its better cell, but is
    mentioned.
    """
    if against:
        return False, f"The choice does not hold: {'; '.join(against)}."
    if not judgement.choice.shown:
        return False, f"Most probable, not shown: {_missing_proof(judgement)}."
    sentences = [_basis(judgement), _on_test(judgement), _confounding(judgement)]
    sentences += [*_repeats(judgement, uneven), *_measurements(judgement, machines, busy)]
    return True, " ".join(filter(None, sentences))


def obstacles(
    judgement: Judgement, elsewhere: Mapping[str, Collection[str]], busy: Mapping[str, float]
) -> list[str]:
    """What speaks against the choice, whether it is shown or not. elsewhere: split -> trainings
    evaluated on other annotations; busy: as in holds()."""
    metric, best, chosen = judgement.metric, judgement.choice.best, judgement.choice.chosen
    against = []
    for split, names in elsewhere.items():
        if names:
            were = form(len(names), "was", "were")
            against.append(
                f"{enumeration(names)} {were} evaluated on other {split} annotations than the others"
            )
    if chosen is None or best is None:
        return [*against, f"no cell has a {metric}"]
    if len(judgement.repeats) < 2:
        return [*against, f"{chosen} is the only cell with results"]
    rivals = [name for name in judgement.repeats if name != best]
    unknown = [name for name in rivals if judgement.pair(name, best) is None]
    if unknown:
        against.append(f"there is no verdict on {enumeration(unknown)} against {best} in {metric}")
    estimate = judgement.estimates[best][metric]
    if estimate and estimate.thin:
        boxes, are = count(estimate.boxes, "boxes"), is_or_are(estimate.boxes)
        against.append(f"{metric} rests on {boxes}, which {are} too few to decide")
    if estimate and judgement.margin >= estimate.value:
        against.append(
            f"a detector that finds nothing would pass: the margin is {judgement.margin:g}, and the "
            f"highest {metric} {estimate.value:.3f}; set verdicts.margin below it, or train longer"
        )
    for pair in contradictions(judgement):
        against.append(
            f"on the test split {pair.first} loses more than {judgement.margin:g} against "
            f"{pair.second}, {_difference(pair)}"
        )
    if judgement.choice.cost == "latency_ms" and busy:
        lowest, highest = (extreme(busy, key=lambda name: busy[name]) for extreme in (min, max))
        if busy[highest] - busy[lowest] > _BUSY:
            against.append(
                f"the latency was measured under unequal load: other processes used "
                f"{busy[lowest]:.0%} of the machine beside {lowest} and {busy[highest]:.0%} beside "
                f"{highest}; `make costs` measures again"
            )
    return against


def contradictions(judgement: Judgement) -> list[Pair]:
    """The cells that the chosen one loses more than the margin against on test, by the interval
    that decided the pair: a smaller loss is what was accepted. The chosen cell is the first of each
    pair."""
    pairs = []
    for name in judgement.repeats:
        pair = judgement.pair(judgement.choice.chosen, name, judgement.test_metric)
        if pair is not None and pair.adjusted is not None and pair.adjusted[1] < -judgement.margin:
            pairs.append(pair)
    return pairs


def _missing_proof(judgement: Judgement) -> str:
    """What keeps the choice from being shown, and what would show it."""
    chosen = judgement.choice.chosen or ""
    standing = judgement.standings.get(chosen)
    if standing is None:
        return f"{chosen} could not be compared"
    text = (
        f"{chosen} may lose up to {standing.loss_high:.3f} of {judgement.metric} against the best of "
        f"all, where {judgement.margin:g} is accepted"
    )
    numbers = []
    if standing.images_needed:
        numbers.append(count(standing.images_needed, "images"))
    if standing.repeats_needed:
        numbers.append(count(standing.repeats_needed, "repeats"))
    return f"{text}; about {' or '.join(numbers)} would decide it" if numbers else text


def _basis(judgement: Judgement) -> str:
    best, chosen = judgement.choice.best or "", judgement.choice.chosen or ""
    estimate, standing = judgement.estimates[best][judgement.metric], judgement.standings[chosen]
    text = (
        f"{chosen} is shown to lose at most {standing.loss_high:.3f} against the best of all, where "
        f"{judgement.margin:g} is accepted."
    )
    if estimate is not None:
        split = judgement.metric.partition("/")[0]
        text += (
            f" The choice rests on {count(estimate.boxes, 'boxes')} of "
            f"{count(estimate.images, 'images')} of {split} and on "
            f"{count(len(judgement.repeats) - 1, 'verdicts')} against {best}"
        )
    pair = judgement.pair(chosen, best)
    if pair is None:
        return f"{text}."
    low, high = standing.interval
    return (
        f"{text}; {chosen} differs from it by {signed(pair.difference.value)} (simultaneous 95 % "
        f"interval {signed(low)} to {signed(high)})."
    )


def _on_test(judgement: Judgement) -> str:
    """The chosen cell against another best one, "" where the two were not compared on test."""
    pair = judgement.pair(judgement.choice.chosen, judgement.choice.best, judgement.test_metric)
    if pair is None:
        return ""
    outcome = f"significantly {pair.outcome} than"
    if pair.outcome == "not distinguishable":
        outcome = "not distinguishable from"
    thin = ""
    if pair.difference.thin:
        thin = f", on {count(pair.difference.boxes, 'boxes')}, too few to decide"
    return (
        f"On the test split {pair.first} is {outcome} {pair.second}, by {_difference(pair)}{thin}."
    )


def _confounding(judgement: Judgement) -> str:
    best, chosen = judgement.choice.best or "", judgement.choice.chosen or ""
    if chosen != best:
        fairness = judgement.fairness.get((chosen, best))
        if fairness is None or fairness.fair:
            return ""
        topics = ", ".join(fairness.topics)
        return f"{chosen} against {best} is confounded: they also differ in {topics}."
    unfair = 0
    topics_of_all: dict[str, None] = {}
    for (first, _), fairness in judgement.fairness.items():
        if first == best and not fairness.fair:
            unfair += 1
            topics_of_all |= dict.fromkeys(fairness.topics)
    if not unfair:
        return ""
    comparisons = count(len(judgement.repeats) - 1, "comparisons")
    return f"Of its {comparisons} {unfair} {is_or_are(unfair)} confounded, by {', '.join(topics_of_all)}."


def _repeats(judgement: Judgement, uneven: Mapping[str, Sequence[str]]) -> list[str]:
    names = filter(None, dict.fromkeys((judgement.choice.chosen, judgement.choice.best)))
    single = [name for name in names if len(judgement.repeats[name]) < 2]
    sentences = []
    if single:
        was = form(len(single), "was", "were")
        sentences.append(
            f"{enumeration(single)} {was} trained once: another seed may say otherwise."
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
            f"The {COST_WORDS[cost][0]} was measured on different machines: {'; '.join(sorted(machines))}."
        )
    loaded = {name: share for name, share in busy.items() if share > _BUSY}
    if cost == "latency_ms" and loaded:
        sentences.append(
            f"The latency of {enumeration(loaded)} was measured while other processes used up to "
            f"{max(loaded.values()):.0%} of the machine: alone it may be lower."
        )
    if judgement.holes:
        verb = form(len(judgement.holes), "has", "have")
        rows = count(len(judgement.holes), "selected rows")
        sentences.append(f"{rows} {verb} no results: {enumeration(judgement.holes)}.")
    return sentences


def _difference(pair: Pair) -> str:
    """With the interval that decided it."""
    low, high = pair.adjusted or (pair.difference.low, pair.difference.high)
    return (
        f"{signed(pair.difference.value)} (95 % interval {signed(low)} to {signed(high)}, corrected "
        f"{chance(pair.p_holm)})"
    )
