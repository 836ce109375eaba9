"""Where each cell stands: its verdict against the best cell and its place on the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.results import CellResult
from stages.report.table import label_of
from stages.verdict.choice import COSTS
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Judgement
from stages.verdict.pairs import Pair
from stages.verdict.repeats import REPEATED
from stages.verdict.wording import chance, count, signed, value

# Word -> symbol and class of the style sheet: colour never says it alone.
OUTCOMES = {
    "better": ("▲", "good"), "worse": ("▼", "bad"), "not distinguishable": ("≈", "open"),
    "best": ("★", "good"), "supported": ("✓", "good"), "rejected": ("✗", "bad"), "undecided": ("?", "open"),
    "": ("", "open"),
}

# More than so many times the images is no advice.
_HOPELESS = 1000


@dataclass(frozen=True)
class Standing:
    """outcome: a word of OUTCOMES about the cell against the best one, "" where there is no verdict; text: its
    difference and interval; rank: what the column sorts by, None without a verdict. lacks: what was not measured of a
    cell that is not placed; dominated: by whom, in all that the front weighs; confounded: by which topics. note: what
    the row is besides, such as a repeat."""

    outcome: str
    text: str
    title: str
    rank: float | None
    pareto: str
    lacks: str
    dominated: tuple[str, ...]
    chosen: bool
    confounded: tuple[str, ...]
    note: str

    @property
    def words(self) -> str:
        """The verdict as one text."""
        told = self.note or " ".join(filter(None, (OUTCOMES[self.outcome][0], self.outcome or "no verdict", self.text)))
        return f"{told} (confounded)" if self.confounded else told


def standings(judgement: Judgement, cells: Sequence[CellResult]) -> dict[str, Standing]:
    """One for every row of `cells`; one that repeats another cell stands with that cell, and its note says in which
    seed or fold they differ: its own scores are of those."""
    known = {cell.name: cell for cell in cells}
    run_ids = {name: cell.run_id for name, cell in known.items()}
    owners = {row: known[name] for name, rows in judgement.repeats.items() for row in rows if name in known}
    return {cell.name: _standing(judgement, cell, owners.get(cell.name, cell), run_ids) for cell in cells}


def interval_text(one: Estimate | None) -> str:
    """A value with its interval and what that rests on, "" for None."""
    if one is None:
        return ""
    return f"{value(one.value)}, 95 % interval {value(one.low)} to {value(one.high)} ({basis(one)})"


def basis(one: Estimate) -> str:
    """What an estimate rests on: boxes, images, and runs or splits where there are several."""
    parts = [count(one.boxes, "box") if one.boxes == 1 else f"{one.boxes} boxes", count(one.images, "image")]
    parts += [f"{one.splits} splits"] * (one.splits > 1)
    parts += [f"{' and '.join(str(number) for number in one.runs)} runs"] * (max(one.runs, default=1) > 1)
    return ", ".join(parts) + (", too few boxes to decide" if one.thin else "")


def spread(one: Estimate) -> str:
    """A difference with its interval, as in the table: -0.012 [-0.030, +0.006]."""
    return f"{signed(one.value)} [{signed(one.low)}, {signed(one.high)}]"


def pair_title(pair: Pair, metric: str, run_ids: dict[str, str], family: int, confounded: tuple[str, ...]) -> str:
    """All that is known of a pair, line by line, for a tooltip."""
    one = pair.difference
    lines = [f"{pair.first} against {pair.second}: {pair.outcome}",
             f"{metric}: {signed(one.value)}, 95 % interval {signed(one.low)} to {signed(one.high)} ({basis(one)})",
             f"probability of being better {pair.probability:.3f}, {chance(pair.p)}; {chance(pair.p_holm)} after "
             f"Holm's correction over {count(family, 'pair')}"]
    lines += [needed(pair)] * bool(needed(pair))
    lines += [f"confounded by {', '.join(confounded)}"] * bool(confounded)
    lines.append(f"runs {run_ids.get(pair.first) or 'not tracked'} and {run_ids.get(pair.second) or 'not tracked'}")
    return "\n".join(lines)


def needed(pair: Pair) -> str:
    """How many images or repeats would decide an open pair, "" where that is not known."""
    one, parts = pair.difference, []
    if pair.images_needed and pair.images_needed > _HOPELESS * one.images:
        return f"would not be decided by {_HOPELESS:,} times as many images, if the difference is what it seems"
    if pair.images_needed:
        parts.append(f"{pair.images_needed:,} images instead of {one.images:,}")
    if pair.repeats_needed:
        parts.append(f"{pair.repeats_needed} {'splits' if one.splits > 1 else 'runs of each'} instead of "
                     f"{one.splits if one.splits > 1 else ' and '.join(str(runs) for runs in one.runs)}")
    return f"would be decided by about {' or by '.join(parts)}, if the difference is what it seems" if parts else ""


def topics(judgement: Judgement, first: str, second: str) -> tuple[str, ...]:
    """What a pair is confounded by; nothing where it was compared fairly or not at all."""
    fairness = judgement.fairness.get((first, second))
    return fairness.topics if fairness else ()


def _standing(judgement: Judgement, cell: CellResult, of: CellResult, run_ids: dict[str, str]) -> Standing:
    choice, best, owner = judgement.choice, judgement.choice.best, of.name
    pair = judgement.pair(owner, best, judgement.metric) if best and owner != best else None
    outcome, text, rank, by = "", "", None, ()
    title = f"{label_of(judgement.metric)}: no verdict"
    if owner == best:
        found = judgement.estimates.get(owner, {}).get(judgement.metric)
        outcome, text, rank = "best", "", 0.0
        title = f"{owner} has the highest {label_of(judgement.metric)}: {interval_text(found)}"
    elif pair:
        outcome, text, rank = pair.outcome, spread(pair.difference), pair.difference.value
        by = topics(judgement, owner, best)
        title = pair_title(pair, judgement.metric, run_ids, len(judgement.pairs[judgement.metric]), by)
    pareto, lacks, dominated = _pareto(judgement, owner)
    return Standing(outcome, text, title, rank, pareto, lacks, dominated, cell.name == choice.chosen, by,
                    _repeats(cell, of) if cell is not of else "")


def _repeats(cell: CellResult, of: CellResult) -> str:
    own = [f"{key} {cell.run[key]}" for key in REPEATED if key in cell.run and cell.run[key] != of.run.get(key)]
    return f"repeats {of.name}{' with ' * bool(own)}{' and '.join(own)}"


def _pareto(judgement: Judgement, name: str) -> tuple[str, str, tuple[str, ...]]:
    """Where the cell lies, what it lacks to be placed, and who dominates it."""
    front = judgement.front
    if name in front.members:
        return "on the front", "", ()
    by = next((one.by for one in front.dominated if one.name == name), ())
    if by:
        return "dominated", "", by
    lacks = next((one.lacks for one in front.incomplete if one.name == name), ())
    return "not placed", ", ".join(COSTS[key][0] if key in COSTS else key for key in lacks), ()
