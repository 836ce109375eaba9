"""Writes the report: all is rendered first, then written, so that bad input leaves an earlier one
be."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import jinja2

from stages.errors import InputError
from stages.files import replacing
from stages.report import chart, curves, header, remarks
from stages.report.classes import class_tables
from stages.report.context import ReportContext
from stages.report.data import data_summary
from stages.report.facts import facts
from stages.report.looks import looks_of
from stages.report.markdown import escape as escape_markdown
from stages.report.pictures.sections import pictures
from stages.report.shown_rows import judged_rows, shown_rows
from stages.report.summary import cell_files, summary_json
from stages.report.table import ALL, COSTS, MISSING, SCORES, compare_csv, in_order, marked
from stages.report.verdicts.view import view as view_of_verdicts
from stages.results.cell import ROW_KEYS, CellResult
from stages.study import names
from stages.study.paths import EVALUATED
from stages.verdict.judgement import Group, Judgement

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
    cells = in_order(cells, context.listed)
    view = _view(cells, context, judgement) | pictures(cells, judgement, Path(root))
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
    cells: list[CellResult], context: ReportContext, judgement: Judgement
) -> dict[str, object]:
    """Everything the two templates show; they hold words and layout, no arithmetic."""
    rows = shown_rows(cells, judgement)
    judged = judged_rows(rows, judgement)
    looks = looks_of(cells)
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
        "facts": facts(cells, context),
        "all": ALL,
        "marked": {column.key: marked(column, judged) for column in (*ALL, *COSTS)},
        "looks": looks,
        "legend_column": SCORES["val", "bbox_mAP_50"],
        "panels": [chart.draw(panel, cells, looks, judgement.names) for panel in curves.PANELS],
        "chart": chart,
        "classes": class_tables(cells),
        "best_classes": _best_classes(judgement),
        "data": data_summary(context.data),
        "images": header.images(context),
        **view_of_verdicts(rows, judgement, looks),
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
