"""Writes the report: all is rendered first, so that bad input leaves an earlier one be."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from stages.errors import InputError
from stages.files import replacing
from stages.report import curves, header, table, texts
from stages.report.header import ReportContext
from stages.report.pictures.errors import WORDS, confusion_matrices, errors
from stages.report.pictures.gallery import gallery
from stages.report.pictures.groups import group_charts
from stages.report.pictures.scores import SCORE_FRAME, SCORE_TICKS, score_curves
from stages.report.shown_cells import Shown, page_cells, shown_cells
from stages.report.summary import cell_files, compare_csv, summary_json
from stages.report.table import ALL, COST_COLUMNS, MAIN, MISSING, SCORES
from stages.report.verdicts import pairs
from stages.report.verdicts.card import CHOICE_STATES, choice_card
from stages.report.verdicts.hypotheses import hypotheses_tally, hypothesis_card
from stages.report.verdicts.learning_curve import ShareFigure
from stages.report.verdicts.pareto import trades
from stages.report.verdicts.standing import forest, places
from stages.results.cell import CellResult
from stages.study import names
from stages.study.paths import EVALUATED
from stages.study.schema import FACTORS
from stages.verdict.estimates import ALPHA, POWER, Estimate
from stages.verdict.judgement import Group, Judgement
from stages.verdict.wording import chance, value

log = logging.getLogger(__name__)
_STRICT = {
    "loader": jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    "undefined": jinja2.StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}
HTML = jinja2.Environment(autoescape=True, **_STRICT)
# finalize sees every value that a template prints, so that no value can be forgotten.
MARKDOWN = jinja2.Environment(autoescape=False, finalize=texts.escape, **_STRICT)


def write_report(
    cells: Sequence[CellResult], context: ReportContext, judgement: Judgement, folder: Path
) -> None:
    """Write the files of render_report() into `folder`; the pictures are of what lies beside it.

    Raises InputError as render_report() does, before anything is written, and for a cell whose name
    is no file's.
    """
    for cell in cells:
        if not names.KEY.fullmatch(cell.name):
            # params.yaml is refused for it: a name with / would lead out of the folder.
            raise InputError(f"cells.{cell.name!r}: {names.KEY_RULE}; correct params.yaml")
    files = render_report(cells, context, judgement, Path(folder).parent)
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


def render_report(
    cells: Sequence[CellResult], context: ReportContext, judgement: Judgement, root: Path
) -> dict[str, str]:
    """Path -> text: summary.json, cells/<cell>.json, compare.csv, report.md, index.html,
    curves/<panel>.csv.

    The pictures are of metrics/, predictions/ and data/ under `root`. The same cells, context and
    judgement give the same bytes. Raises InputError where there is no cell, or one that params.yaml
    does not list once.
    """
    cells = table.in_order(cells, context.listed)
    rows = table.shown_rows(cells, judgement)
    page = page_cells(rows, judgement)
    view = {
        **_columns(rows, judgement),
        **_verdicts(judgement, page),
        **pictures(page, judgement, Path(root)),
        "judgement": judgement,
        "short": judgement.short,
        "context": context,
        "title": header.title(cells, context),
        "introduction": header.introduction(cells, context),
        "remarks": header.training_remarks(cells, judgement),
        "facts": header.run_facts(cells, context),
        "page": page,
        "cells": rows,
        "panels": [curves.Panel(name, page.values()) for name in curves.PANELS],
        "panel_frame": curves.PANEL_FRAME,
        "classes": table.class_tables(cells),
        "best_classes": _best_classes(judgement),
        "data": header.data_rows(context),
    }
    files = {
        "summary.json": summary_json(cells, judgement),
        **cell_files(cells, judgement),
        "compare.csv": compare_csv(cells, judgement),
        "report.md": MARKDOWN.get_template("report.md.j2").render(view),
        "index.html": HTML.get_template("index.html.j2").render(view),
    }
    for panel in curves.PANELS:
        files[f"curves/{panel.replace('/', '_')}.csv"] = curves.curve_csv(cells, panel)
    return files


def _columns(rows: Sequence[CellResult], judgement: Judgement) -> dict[str, object]:
    """What the tables show; the templates hold words and layout, no arithmetic."""
    judged = [row for row in rows if row.name in judgement.estimates]
    columns = (*ALL, *COST_COLUMNS)
    # The intervals of the scores, and of each column's bars the end: the highest value or interval.
    spreads: dict[tuple[str, str], Estimate] = {}
    tops: dict[str, float] = {}
    for column in columns:
        tops[column.key] = max(0.0, *(column.value(row) or 0.0 for row in rows))
    for (split, metric), column in SCORES.items():
        for name, estimates in judgement.estimates.items():
            estimate = estimates.get(f"{split}/{metric}")
            if estimate is not None:
                spreads[column.key, name] = estimate
                tops[column.key] = max(tops[column.key], estimate.high)
    return {
        "row_keys": FACTORS,
        "missing": MISSING,
        "all": ALL,
        "all_columns": columns,
        "shown": (*MAIN, *table.measured(COST_COLUMNS, rows)),
        "marked": {column.key: table.marked(column, judged) for column in columns},
        "spreads": spreads,
        "interval_text": texts.interval_text,
        "column_top": tops,
        "deciding": judgement.metric.replace("/", "_", 1),
        "legend_column": SCORES["val", "bbox_mAP_50"],
        "highest": header.highest_scores(judged, judgement),
    }


def _verdicts(judgement: Judgement, page: Mapping[str, Shown]) -> dict[str, object]:
    by_row = places(judgement, page)
    return {
        "alpha": ALPHA,
        "power": POWER,
        "outcomes": texts.OUTCOME_MARKS,
        "card": choice_card(judgement),
        "states": CHOICE_STATES,
        "places": by_row,
        "forest": forest(judgement, by_row),
        "hypotheses": [hypothesis_card(finding, judgement) for finding in judgement.findings],
        "tally": hypotheses_tally(judgement.findings),
        "trades": trades(judgement, page),
        "learning_curves": [ShareFigure(judgement, share, page) for share in judgement.shares],
        "pair_matrices": pairs.matrices(judgement, page),
        "decided": pairs.decided(judgement, judgement.metric),
        "pairs_sentence": pairs.pairs_sentence(judgement, judgement.metric),
        "pair_text": pairs.pair_text,
        "chance": chance,
        "topics": pairs.topics,
        "confounding": pairs.confounding(judgement),
    }


def pictures(page: Mapping[str, Shown], judgement: Judgement, root: Path) -> dict[str, object]:
    """What a person would rather look at than read: the views of _pictures.html.j2, by the name of
    their template. root: the folder under which metrics/, predictions/ and data/ lie. A file or a
    part of one that is missing is named on the page."""
    study = shown_cells(page, judgement)
    return {
        "groups": group_charts(study, judgement),
        "errors": errors(study),
        "error_words": WORDS,
        "confusion": confusion_matrices(study),
        "scores": score_curves(study),
        "gallery": gallery(study, judgement, root),
        "score_frame": SCORE_FRAME,
        "score_ticks": SCORE_TICKS,
        "decimals": value,
        "ends_text": texts.ends_text,
        "details_absent": study.absent,
    }


def _best_classes(judgement: Judgement) -> list[tuple[str, dict[str, Group]]]:
    """Class -> split -> its estimate, of the cell of highest score."""
    groups = judgement.groups.get(judgement.choice.best or "", {})
    classes: dict[str, dict[str, Group]] = {}
    for split in EVALUATED:
        for group in groups.get(split, ()):
            if group.kind == "class":
                classes.setdefault(group.name, {})[split] = group
    return list(classes.items())
