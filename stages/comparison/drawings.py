"""Drawings of a judgement for MLflow's page: the cells with their intervals, and AP50 of each
class."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

from stages.comparison.outcomes import cell_tags
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Judgement

# By the verdict against the best, readable in grey as well.
_COLOURS = {
    "best": "#0b6e4f",
    "as good": "#3f7fbf",
    "undecided": "#7a9cc0",
    "worse": "#9a9a9a",
    "no verdict": "#c9a227",
}
_BLUE, _GREY = "#3f7fbf", "#9a9a9a"
# More classes than these would make a drawing that nobody reads; classes.csv has all.
_MOST_CLASSES = 60
_LONGEST_NAME = 50


def draw(judgement: Judgement) -> dict[str, str]:
    """File name -> SVG: every cell's deciding metric, and the chosen cell's AP50 of each class on
    val and on test."""
    import matplotlib

    # hashsalt and the date make equal drawings equal files; text stays text, so that a browser
    # finds its letters.
    with matplotlib.rc_context(
        {"svg.hashsalt": "comparison", "svg.fonttype": "none", "font.family": "sans-serif"}
    ):
        files = {"cells.svg": _cells(judgement)}
        for split, groups in judgement.groups.get(judgement.choice.chosen or "", {}).items():
            rows = []
            for group in groups:
                if group.kind == "class":
                    colour = _GREY if group.AP50 and group.AP50.thin else _BLUE
                    rows.append((f"{group.name} ({group.boxes})", group.AP50, colour))
            if rows:
                chosen = judgement.short(judgement.choice.chosen)
                title = f"{split} AP50 of {chosen}; boxes in brackets, grey: too few to decide"
                rows = rows[:_MOST_CLASSES]
                files[f"classes_{split}.svg"] = _rows(rows, title)
    return files


def _cells(judgement: Judgement) -> str:
    metric = judgement.metric
    rows = []
    for cell in judgement.repeats:
        estimate = judgement.estimates[cell].get(metric)
        verdict = cell_tags(judgement, cell)["verdict"]
        name = f"{judgement.short(cell)} - {verdict}"
        rows.append((name, estimate, _COLOURS.get(verdict, _BLUE)))
    rows.sort(key=lambda row: -row[1].value if row[1] else 1.0)
    return _rows(rows, f"{metric} with its 95 % interval, and the verdict against the best")


def _rows(rows: Sequence[tuple[str, Estimate | None, str]], title: str) -> str:
    """A point and its interval for each row; a row without a value keeps its name."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1.1 + 0.28 * len(rows)), layout="constrained")
    FigureCanvasSVG(figure)
    axes: Any = figure.add_subplot()
    for place, (_, estimate, colour) in enumerate(rows):
        if estimate is not None:
            axes.plot([estimate.low, estimate.high], [place, place], color=colour, linewidth=2)
            axes.plot([estimate.value], [place], "o", color=colour, markersize=6)
            axes.annotate(
                f"{estimate.value:.3f}",
                (estimate.high, place),
                xytext=(6, -3),
                textcoords="offset points",
                fontsize=8,
            )
    axes.set_yticks(
        range(len(rows)), [_short(name) for name, _, _ in rows], fontsize=9, parse_math=False
    )
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(title, fontsize=10, loc="left", parse_math=False)
    stream = io.StringIO()
    with warnings.catch_warnings():
        # The letters of a class's name are looked up by who shows the drawing.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def _short(name: str) -> str:
    name = " ".join(name.split())
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 3]}..."
    return name
