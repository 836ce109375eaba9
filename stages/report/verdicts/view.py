"""What the templates show of a judgement, beside what they show of the cells alone (page.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.looks import Look

from stages.report.results import CellResult
from stages.report.table import ALL, COSTS, MAIN, SCORES, Column, label_of, measured
from stages.report.verdicts import confounding, decision, hypotheses, pairs_plot, pareto, standing
from stages.verdict.estimates import ALPHA, POWER
from stages.verdict.judgement import Judgement
from stages.verdict.wording import chance


@dataclass(frozen=True)
class Spread:
    """A score's interval, for the bar in its table cell and for its tooltip."""

    low: float
    high: float
    text: str


def view(cells: Sequence[CellResult], judgement: Judgement, looks: dict[str, Look]) -> dict[str, object]:
    runs = {cell.name: cell.run_id for cell in cells}
    places = {cell.name: place for place, cell in enumerate(cells)}
    spreads = _spreads(judgement)
    pairs = judgement.pairs.get(judgement.metric, ())
    return {
        "judgement": judgement, "run_ids": runs, "places": places, "outcomes": standing.OUTCOMES,
        "decision": decision.decision(judgement, runs),
        "cards": hypotheses.cards(judgement.findings), "tally": hypotheses.tally(judgement.findings),
        "standings": standing.standings(judgement, cells),
        "front": judgement.front, "trades": pareto.trades(judgement, looks, places, runs),
        "pair_matrices": pairs_plot.matrices(judgement, runs), "decided": pairs_plot.decided(judgement),
        "pairs_sentence": pairs_plot.sentence(judgement),
        "confounding": confounding.confounding(judgement),
        "shown": (*MAIN, *measured(COSTS, cells)), "all_columns": (*ALL, *COSTS),
        "spreads": spreads, "column_top": {column.key: _top(column, cells, spreads) for column in (*ALL, *COSTS)},
        "zoo": load_zoo(), "zoo_columns": ZOO_COLUMNS, "terms": _terms(judgement, len(pairs)),
        "spread_of": standing.spread, "chance": chance,
        "topics_of": lambda pair: ", ".join(standing.topics(judgement, pair.first, pair.second)),
        "deciding": judgement.metric.replace("/", "_", 1),
    }


def _spreads(judgement: Judgement) -> dict[tuple[str, str], Spread]:
    """(column, cell) -> the interval of its score."""
    found = {}
    for (split, metric), column in SCORES.items():
        for name, known in judgement.estimates.items():
            one = known.get(f"{split}/{metric}")
            if one is not None:
                found[column.key, name] = Spread(one.low, one.high, standing.interval_text(one))
    return found


def _top(column: Column, cells: Sequence[CellResult], spreads: dict[tuple[str, str], Spread]) -> float:
    """The end of a column's bars: the highest value or interval."""
    values = [column.value(cell) or 0.0 for cell in cells]
    return max([*values, *(spread.high for (key, _), spread in spreads.items() if key == column.key)], default=0.0)


def _terms(judgement: Judgement, family: int) -> list[tuple[str, str]]:
    """What the words of a verdict mean, with the numbers that were used."""
    return [
        ("95 % interval", "From replicates of the split with images drawn anew (paired bootstrap: the same draws for "
                          "all cells), corrected for bias; with several seeds or folds also from these."),
        ("better, worse, not distinguishable", f"A difference counts where its two-sided p is under {ALPHA:g} after "
         f"Holm's correction over all {family} pairs of {label_of(judgement.metric)}, and no class or size of under "
         "100 boxes decides anything. An interval is not corrected."),
        ("would be decided by", f"As many images, or repeats, as would decide the pair in {POWER:.0%} of cases if the "
                                "difference is what was observed."),
        ("confounded", "The two cells also differ in a setting that their comparison is not about and that can change "
                       "a score, or nobody knows whether they do."),
        ("Pareto front, dominated", "A cell is dominated where another one is as good or better in the score and in "
                                    "every cost that was measured, and better in one."),
    ]
