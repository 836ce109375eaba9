"""What a person would rather look at than read: the sections of _pictures.html.j2 in one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stages.report.pictures import scores as scores_plot
from stages.report.pictures.confusion import confusion
from stages.report.pictures.errors import errors
from stages.report.pictures.gallery import gallery
from stages.report.pictures.groups import groups
from stages.report.pictures.scores import scores
from stages.report.pictures.shown_cells import shown_cells
from stages.results.cell import CellResult
from stages.verdict.judgement import Judgement


def pictures(cells: Sequence[CellResult], judgement: Judgement, root: Path) -> dict[str, object]:
    """The views of all sections, by the name of their template. `cells`: in the order of the page;
    `root`: the folder under which metrics/, predictions/ and data/ lie. A file or a part of one
    that is missing is named on the page."""
    study = shown_cells(cells, judgement)
    return {
        "groups": groups(study, judgement),
        "errors": errors(study),
        "confusion": confusion(study),
        "scores": scores(study),
        "gallery": gallery(study, judgement, Path(root)),
        "score_axes": scores_plot,
        "details_absent": study.absent,
    }
