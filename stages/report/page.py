"""Writes the report: all is rendered first, then written, so that bad input leaves an earlier one be."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import jinja2

from stages.report import chart, curves, sentences
from stages.report.facts import class_tables, data_summary, facts
from stages.report.looks import looks_of
from stages.report.markdown import escape as escape_markdown
from stages.report.published import KEYS, load_published, published_of
from stages.report.results import ROW_KEYS, SPLITS, CellResult, ReportContext
from stages.report.table import (
    ALL,
    MAIN,
    MISSING,
    SCORES,
    compare_csv,
    extreme,
    in_order,
    marked,
    summary_json,
)

log = logging.getLogger(__name__)
_TEMPLATES = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
_STRICT = {
    "loader": _TEMPLATES,
    "undefined": jinja2.StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}


def write_report(cells: Sequence[CellResult], context: ReportContext, folder: Path) -> None:
    """Write summary.json, compare.csv, report.md, index.html and curves/<panel>.csv into `folder`.

    The same cells and context give the same bytes. Raises InputError, before anything is written, where
    there is no cell, or a cell that params.yaml does not list once.
    """
    cells = in_order(cells, context.listed)
    view = _view(cells, context)
    files = {
        "summary.json": summary_json(cells, context),
        "compare.csv": compare_csv(cells),
        "report.md": _markdown().get_template("report.md.j2").render(view),
        "index.html": _html().get_template("index.html.j2").render(view),
    }
    for panel in curves.PANELS:
        files[f"curves/{curves.file_name(panel)}"] = curves.curve_csv(cells, panel)
    for name, text in files.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    log.info("report of %s in %s", sentences.coverage(cells, context), folder)


def _view(cells: list[CellResult], context: ReportContext) -> dict[str, object]:
    """Everything the two templates show; they hold words and layout, no arithmetic."""
    table = load_published() if context.scale == "full" else {}
    published = {cell.name: published_of(cell, table) for cell in cells}
    with_published = sum(bool(numbers) for numbers in published.values())
    looks = looks_of(cells)
    top = extreme(SCORES["val", "bbox_mAP_50"], cells)
    classes = class_tables(cells)
    top_classes = (
        {split: {score.name: score for score in top.per_class[split]} for split in SPLITS} if top else {}
    )
    return {
        "cells": cells,
        "context": context,
        "row_keys": ROW_KEYS,
        "missing": MISSING,
        "coverage": sentences.coverage(cells, context),
        "comparability": sentences.comparability(cells, context, with_published),
        "highest": sentences.highest(cells),
        "caution": sentences.caution(cells),
        "remarks": [text for text in (sentences.losses(cells), *sentences.learning(cells)) if text],
        "facts": facts(cells, context),
        "main": MAIN,
        "all": ALL,
        "marked": {column.key: marked(column, cells) for column in ALL},
        "column_top": {
            column.key: max((column.value(cell) or 0 for cell in cells), default=0) for column in ALL
        },
        "published": published if with_published else {},
        "published_columns": [column for column in MAIN if column.key in KEYS],
        "looks": looks,
        "legend_column": SCORES["val", "bbox_mAP_50"],
        "panels": [chart.draw(panel, cells, looks) for panel in curves.PANELS],
        "chart": chart,
        "classes": classes,
        "class_names": classes[0].names,
        "top_cell": top,
        "top_classes": top_classes,
        "data": data_summary(context.data),
        "images": sentences.images(context),
    }


def _html() -> jinja2.Environment:
    return jinja2.Environment(autoescape=True, **_STRICT)


def _markdown() -> jinja2.Environment:
    # finalize sees every value that a template prints, so that no value can be forgotten.
    return jinja2.Environment(autoescape=False, finalize=escape_markdown, **_STRICT)
