"""Writes the report: all is rendered first, so that bad input leaves an earlier one be."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from stages.errors import InputError
from stages.files import replacing
from stages.report import curves, header, remarks, table
from stages.report.drawing import Look, looks_of
from stages.report.header import ReportContext
from stages.report.markdown import escape as escape_markdown
from stages.report.pictures import scores
from stages.report.pictures.confusion import confusion
from stages.report.pictures.errors import errors
from stages.report.pictures.gallery import gallery
from stages.report.pictures.groups import groups
from stages.report.pictures.shown_cells import shown_cells
from stages.report.summary import cell_files, compare_csv, summary_json
from stages.report.table import ALL, COSTS, MAIN, MISSING, SCORES, Column
from stages.report.verdicts import (
    card,
    fairness,
    hypotheses,
    learning_curve,
    pairs_plot,
    pareto,
    phrases,
    standing,
)
from stages.results.cell import ROW_KEYS, CellResult
from stages.study import names
from stages.study.paths import EVALUATED
from stages.verdict.judgement import Group, Judgement
from stages.verdict.wording import chance, value

log = logging.getLogger(__name__)
_TEMPLATES = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
# Anchors of the page's sections and what they are called.
SECTIONS = (
    ("verdict", "Verdict"),
    ("hypotheses", "Hypotheses"),
    ("results", "Results"),
    ("pareto", "Score against cost"),
    ("images", "More images"),
    ("pairs", "Who beats whom"),
    ("fairness", "Fairness"),
    ("curves", "Curves"),
    ("groups", "Classes and sizes"),
    ("errors", "Errors"),
    ("confusion", "Confusion"),
    ("scores", "Scores"),
    ("gallery", "Images"),
    ("classes", "Classes"),
    ("data", "Data"),
    ("definitions", "Definitions"),
)
_STRICT = {
    "loader": _TEMPLATES,
    "undefined": jinja2.StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}


@dataclass(frozen=True)
class Spread:
    """A score's interval, for the bar in its table cell and for its tooltip."""

    low: float
    high: float
    text: str


def write_report(
    cells: Sequence[CellResult], context: ReportContext, judgement: Judgement, folder: Path
) -> None:
    """Write the files of render() into `folder`.

    The pictures are of what lies beside it: metrics/, predictions/ and data/. Raises InputError,
    before anything is written, where there is no cell, a cell that params.yaml does not list once,
    or one whose name is no file's.
    """
    for cell in cells:
        if not names.KEY.fullmatch(cell.name):
            # params.yaml is refused for it: a name with / would lead out of the folder.
            raise InputError(f"cells.{cell.name!r}: {names.KEY_RULE}; correct params.yaml")
    files = render(cells, context, judgement, Path(folder).parent)
    for name, text in files.items():
        path = Path(folder) / name
        # A file that DVC has put here is a link to the one in its cache.
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    for path in (Path(folder) / "cells").glob("*.json"):
        # Of an earlier selection, where DVC has not emptied the folder.
        if f"cells/{path.name}" not in files:
            path.unlink()
    log.info("report of %s in %s", header.coverage(cells, context), folder)


def render(
    cells: Sequence[CellResult], context: ReportContext, judgement: Judgement, root: Path
) -> dict[str, str]:
    """Path -> text: summary.json, cells/<cell>.json, compare.csv, report.md, index.html,
    curves/<panel>.csv.

    The pictures are of metrics/, predictions/ and data/ under `root`. The same cells, context and
    judgement give the same bytes. Raises InputError where there is no cell, or one that params.yaml
    does not list once.
    """
    cells = table.in_order(cells, context.listed)
    rows, looks = table.shown_rows(cells, judgement), looks_of(cells)
    view = {
        **_view(cells, rows, looks, context, judgement),
        **verdicts(rows, judgement, looks),
        **pictures(cells, judgement, Path(root)),
    }
    files = {
        "summary.json": summary_json(cells, judgement),
        **cell_files(cells, judgement),
        "compare.csv": compare_csv(cells, judgement),
        "report.md": _markdown().get_template("report.md.j2").render(view),
        "index.html": _html().get_template("index.html.j2").render(view),
    }
    for panel in curves.PANELS:
        files[f"curves/{curves.file_name(panel)}"] = curves.curve_csv(cells, panel)
    return files


def _view(
    cells: list[CellResult],
    rows: list[CellResult],
    looks: dict[str, Look],
    context: ReportContext,
    judgement: Judgement,
) -> dict[str, object]:
    """What the two templates show of the cells; they hold words and layout, no arithmetic."""
    judged = [row for row in rows if row.name in judgement.estimates]
    return {
        "cells": rows,
        "context": context,
        "row_keys": ROW_KEYS,
        "missing": MISSING,
        "sections": _sections(judgement),
        "title": header.title(cells, context),
        "introduction": header.introduction(cells, context),
        "counting": header.counting(context),
        "highest": remarks.highest(judged, judgement),
        "remarks": [*remarks.losses(cells), *remarks.learning(cells, judgement)],
        "facts": header.facts(cells, context),
        "all": ALL,
        "marked": {column.key: table.marked(column, judged) for column in (*ALL, *COSTS)},
        "looks": looks,
        "legend_column": SCORES["val", "bbox_mAP_50"],
        "panels": [curves.draw(panel, cells, looks, judgement.names) for panel in curves.PANELS],
        "panel_frame": curves.FRAME,
        "classes": table.class_tables(cells),
        "best_classes": _best_classes(judgement),
        "data": header.data_summary(context.data),
        "images": header.images(context),
    }


def verdicts(
    rows: Sequence[CellResult], judgement: Judgement, looks: dict[str, Look]
) -> dict[str, object]:
    """What the templates show of a judgement. rows: of table.shown_rows()."""
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
        "forest": standing.forest(judgement, runs),
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
        "shown": (*MAIN, *table.measured(COSTS, rows)),
        "all_columns": (*ALL, *COSTS),
        "spreads": spreads,
        "column_top": tops,
        "terms": remarks.terms(judgement),
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


def pictures(cells: Sequence[CellResult], judgement: Judgement, root: Path) -> dict[str, object]:
    """What a person would rather look at than read: the views of _pictures.html.j2, by the name of
    their template. cells: in the order of the page; root: the folder under which metrics/,
    predictions/ and data/ lie. A file or a part of one that is missing is named on the page."""
    shown = shown_cells(cells, judgement)
    return {
        "groups": groups(shown, judgement),
        "errors": errors(shown),
        "confusion": confusion(shown),
        "scores": scores.scores(shown),
        "gallery": gallery(shown, judgement, root),
        "score_frame": scores.FRAME,
        "score_ticks": scores.TICKS,
        "decimals": value,
        "details_absent": shown.absent,
    }


def _sections(judgement: Judgement) -> list[tuple[str, str]]:
    """Of SECTIONS those that the page has."""
    absent = set() if judgement.shares else {"images"}
    return [section for section in SECTIONS if section[0] not in absent]


def _best_classes(judgement: Judgement) -> list[tuple[str, dict[str, Group]]]:
    """Class -> split -> its estimate, of the cell of highest score."""
    groups = judgement.groups.get(judgement.choice.best or "", {})
    classes: dict[str, dict[str, Group]] = {}
    for split in EVALUATED:
        for group in groups.get(split, ()):
            if group.kind == "class":
                classes.setdefault(group.name, {})[split] = group
    return list(classes.items())


def _html() -> jinja2.Environment:
    return jinja2.Environment(autoescape=True, **_STRICT)


def _markdown() -> jinja2.Environment:
    # finalize sees every value that a template prints, so that no value can be forgotten.
    return jinja2.Environment(autoescape=False, finalize=escape_markdown, **_STRICT)
