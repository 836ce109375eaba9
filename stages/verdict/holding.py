"""Whether the choice may be acted on: what stands in its way, or what it rests on, in sentences that follow from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from stages.verdict.choice import COSTS
from stages.verdict.judgement import Judgement
from stages.verdict.pairs import Pair
from stages.verdict.wording import chance, count, signed

# More names than these are counted, not told.
_MOST = 4
# What another machine, or the load on it, changes.
_OF_MACHINE = ("latency_ms", "peak_memory_mib", "train_minutes")
# Less of the machine's cores is what an idle one uses: of two cores a fifth of one.
_BUSY = 0.1


def holds(found: Judgement, elsewhere: Mapping[str, Collection[str]], machines: Collection[str],
          busy: Mapping[str, float], uneven: Mapping[str, Sequence[str]]) -> tuple[bool, str]:
    """Whether, and why. elsewhere: split -> trainings evaluated on other annotations; machines: where the costs were
    measured; busy: row -> the share of the cores that other processes used while its latency was; uneven: cell -> what
    its repeats differ in beside the seed. A confounded comparison does not forbid to ship its better cell, but is
    told."""
    against = _obstacles(found, elsewhere)
    if against:
        return False, f"The choice does not hold: {'; '.join(against)}."
    return True, " ".join([_basis(found), *_of_test(found), *_remarks(found, machines, busy, uneven)])


def _obstacles(found: Judgement, elsewhere: Mapping[str, Collection[str]]) -> list[str]:
    metric, best, chosen, cells = found.metric, found.choice.best, found.choice.chosen, list(found.repeats)
    told = []
    for split, names in elsewhere.items():
        if names:
            told.append(f"{_names(names)} {_were(names)} evaluated on other {split} annotations than the others")
    if chosen is None:
        return [*told, f"no cell has a {metric}"]
    if len(cells) < 2:
        return [*told, f"{chosen} is the only cell with results"]
    unknown = [name for name in cells if name != best and found.pair(name, best) is None]
    if unknown:
        told.append(f"there is no verdict on {_names(unknown)} against {best} in {metric}")
    if found.estimates[best][metric].thin:
        told.append(f"{metric} rests on {found.estimates[best][metric].boxes} boxes, which are too few "
                    "to decide")
    if not told and not found.choice.shown:
        told.append(f"{chosen} is the most probable choice, not a shown one: it may lose up to "
                    f"{found.standings[chosen].loss_high:.3f} against the best of all, where {found.margin:g} is "
                    "accepted")
    test = _test_pair(found)
    if test and test.outcome == "worse":
        told.append(f"on the test split {chosen} is significantly worse than {best}, by {_difference(test)}")
    return told


def _basis(found: Judgement) -> str:
    one, best, chosen = found.estimates[found.choice.best][found.metric], found.choice.best, found.choice.chosen
    pair = found.pair(chosen, best)
    told = f"The choice rests on {one.boxes} boxes of {one.images} images of {found.metric.split('/')[0]} and on " \
           f"{count(len(found.repeats) - 1, 'verdict')} against {best}"
    if pair is None:
        return f"{told}."
    return f"{told}; {chosen} differs from it by {_difference(pair)}."


def _of_test(found: Judgement) -> list[str]:
    pair = _test_pair(found)
    if pair is None:
        return []
    few = f", on {pair.difference.boxes} boxes, too few to decide" * pair.difference.thin
    verdict = {"better": "significantly better than", "worse": "significantly worse than"}.get(
        pair.outcome, "not distinguishable from")
    return [f"On the test split {pair.first} is {verdict} {pair.second}, by {_difference(pair)}{few}."]


def _remarks(found: Judgement, machines: Collection[str], busy: Mapping[str, float],
             uneven: Mapping[str, Sequence[str]]) -> list[str]:
    best, chosen, told = found.choice.best, found.choice.chosen, []
    fair = found.fairness.get((chosen, best))
    if fair is not None and not fair.fair:
        told.append(f"{chosen} against {best} is confounded: they also differ in {', '.join(fair.topics)}.")
    if chosen == best:
        unfair = [one for (first, _), one in found.fairness.items() if first == best and not one.fair]
        topics = list(dict.fromkeys(topic for one in unfair for topic in one.topics))
        if unfair:
            told.append(f"Of its {count(len(found.repeats) - 1, 'comparison')} {len(unfair)} "
                        f"{'is' if len(unfair) == 1 else 'are'} confounded, by {', '.join(topics)}.")
    single = [name for name in dict.fromkeys((chosen, best)) if len(found.repeats[name]) < 2]
    if single:
        told.append(f"{_names(single)} {_were(single)} trained once: another seed may say otherwise.")
    told += [f"The repeats of {name} also differ in {', '.join(topics)}." for name, topics in uneven.items()]
    if found.choice.cost in _OF_MACHINE and len(machines) > 1:
        told.append(f"The {COSTS[found.choice.cost][0]} was measured on different machines: "
                    f"{'; '.join(sorted(machines))}.")
    beside = {name: share for name, share in busy.items() if share > _BUSY}
    if found.choice.cost == "latency_ms" and beside:
        told.append(f"The latency of {_names(beside)} was measured while other processes used up to "
                    f"{max(beside.values()):.0%} of the machine: alone it may be lower.")
    if found.holes:
        told.append(f"{count(len(found.holes), 'selected row')} {'has' if len(found.holes) == 1 else 'have'} no "
                    f"results: {_names(found.holes)}.")
    return told


def _test_pair(found: Judgement) -> Pair | None:
    if found.choice.chosen == found.choice.best:
        return None
    return found.pair(found.choice.chosen, found.choice.best, f"test/{found.metric.split('/')[1]}")


def _difference(pair: Pair) -> str:
    one = pair.difference
    return (f"{signed(one.value)} (95 % interval {signed(one.low)} to {signed(one.high)}, corrected "
            f"{chance(pair.p_holm)})")


def _names(names: Collection[str]) -> str:
    shown, more = list(names)[:_MOST], len(names) - _MOST
    parts = [*shown, f"{more} more"] if more > 0 else shown
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _were(names: Collection[str]) -> str:
    return "was" if len(names) == 1 else "were"
