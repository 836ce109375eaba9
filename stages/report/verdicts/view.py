"""What the templates show of a judgement, beside what they show of the cells alone (page.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.report.definitions import AGAINST, PARETO, terms
from stages.report.looks import Look
from stages.report.table import ALL, COSTS, MAIN, SCORES, Column, measured
from stages.report.verdicts import (
    card,
    fairness,
    forest,
    hypotheses,
    learning_curve,
    pairs_plot,
    pareto,
    phrases,
    standing,
)
from stages.results.cell import CellResult
from stages.verdict.judgement import Judgement
from stages.verdict.wording import chance


@dataclass(frozen=True)
class Spread:
    """A score's interval, for the bar in its table cell and for its tooltip."""

    low: float
    high: float
    text: str


def view(
    rows: Sequence[CellResult], judgement: Judgement, looks: dict[str, Look]
) -> dict[str, object]:
    """rows: of shown_rows()."""
    runs = {row.name: row.run_id for row in rows}
    places = {row.name: place for place, row in enumerate(rows)}
    spreads = _spreads(judgement)
    tops = {column.key: _top(column, rows, spreads) for column in (*ALL, *COSTS)}

    def topics_of(pair) -> str:
        return ", ".join(phrases.topics(judgement, pair.first, pair.second))

    return {
        "judgement": judgement,
        "short": judgement.short,
        "run_ids": runs,
        "places": places,
        "outcomes": phrases.OUTCOMES,
        "card": card.card(judgement),
        "states": card.STATES,
        "forest": forest.forest(judgement, runs),
        "hypotheses": hypotheses.cards(judgement),
        "tally": hypotheses.tally(judgement.findings),
        "standings": standing.places(judgement, rows),
        "front_sentence": judgement.named(judgement.front.sentence),
        "trades": pareto.trades(judgement, looks, places, runs),
        "learning_curves": learning_curve.figures(judgement, rows, looks),
        "pair_matrices": pairs_plot.matrices(judgement, runs),
        "decided": pairs_plot.decided(judgement),
        "pairs_sentence": pairs_plot.sentence(judgement),
        "pair_text": phrases.pair_text,
        "chance": chance,
        "topics_of": topics_of,
        "confounding": fairness.confounding(judgement),
        "shown": (*MAIN, *measured(COSTS, rows)),
        "all_columns": (*ALL, *COSTS),
        "spreads": spreads,
        "column_top": tops,
        "terms": terms(judgement),
        "against_key": AGAINST,
        "pareto_key": PARETO,
        "deciding": judgement.metric.replace("/", "_", 1),
    }


def _spreads(judgement: Judgement) -> dict[tuple[str, str], Spread]:
    """(column, cell) -> the interval of its score."""
    spreads = {}
    for (split, metric), column in SCORES.items():
        for name, estimates in judgement.estimates.items():
            estimate = estimates.get(f"{split}/{metric}")
            if estimate is not None:
                text = phrases.interval_text(estimate)
                spreads[column.key, name] = Spread(estimate.low, estimate.high, text)
    return spreads


def _top(
    column: Column, rows: Sequence[CellResult], spreads: Mapping[tuple[str, str], Spread]
) -> float:
    """The end of a column's bars: the highest value or interval."""
    top = 0.0
    for row in rows:
        top = max(top, column.value(row) or 0.0)
    for (key, _), spread in spreads.items():
        if key == column.key:
            top = max(top, spread.high)
    return top
