"""Stage compare: the verdicts over the selected cells, and one report of them.

Run alone, after analyse and costs: python -m stages.compare
"""

from __future__ import annotations

import logging

from stages.comparison.run import log_comparison
from stages.files import read_json
from stages.program import InputError, run
from stages.report.header import ReportContext
from stages.report.page import write_report
from stages.results.cell import Costs, load_cell
from stages.results.files import CellFiles
from stages.study import group_metrics, params, paths
from stages.study.counts import count
from stages.study.params import ROOT, Study
from stages.verdict import matrix
from stages.verdict.design import group_repeats

log = logging.getLogger(__name__)


def main() -> None:
    """Writes reports/ and a comparison run in MLflow.

    Raises StudyError, or InputError where no selected cell has results or some cannot be read.
    """
    study = params.load_study()
    try:
        data = read_json(paths.PREPARED / "report.json")
    except FileNotFoundError:
        raise InputError("data/prepared/report.json: no prepared data; run dvc repro") from None
    # Resampling takes minutes, and would come before it is noticed there.
    group_metrics.check_classes(study, data.get("classes", []))
    files = {name: CellFiles(name, cell, ROOT) for name, cell in study.selected().items()}
    holes = {}
    for name, of_cell in files.items():
        reason = of_cell.why_missing()
        if reason:
            holes[name] = reason
    holes.update(strays(study, [name for name in files if name not in holes]))
    if len(holes) == len(files):
        raise InputError(f"no selected cell has results; {next(iter(holes.values()))}")
    for name, reason in holes.items():
        log.warning("%s is left out: %s", name, reason)
    costs = Costs(ROOT)
    cells = [load_cell(of_cell, costs) for name, of_cell in files.items() if name not in holes]
    unmeasured = [cell.name for cell in cells if not cell.measured.costs]
    if unmeasured:
        log.warning(
            "no costs of %s in %s; run `dvc repro costs`", ", ".join(unmeasured), paths.COSTS
        )
    judgement = matrix.conclude(study, cells, holes)
    context = ReportContext(
        scale=study.scale,
        seed=study.seed,
        data=data,
        selection={"backbone": study.backbone, "neck": study.neck},
        listed=list(study.cells),
    )
    write_report(cells, context, judgement, paths.REPORTS)
    log.info("%s", judgement.named(judgement.choice.sentence))
    log.info("%s", judgement.named(judgement.why))
    for share in judgement.shares:
        log.info("%s", judgement.named(share.sentence))
    log.info("%s in %s", count(len(cells), "cells"), paths.REPORTS / "index.html")
    log_comparison(judgement, cells, study, paths.REPORTS)


def strays(study: Study, names: list[str]) -> dict[str, str]:
    """Rows on other folds than the study's that have no row on it beside them, and why they are
    left out."""
    reasons = {}
    for first, rows in group_repeats(study, names).items():
        if study.fold_of(study.cell(first)) is not None:
            for row in rows:
                reasons[row] = f"no row of its cell on fold {study.data.fold} has results"
    return reasons


if __name__ == "__main__":
    run(main, "compare")
