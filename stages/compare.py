"""Stage compare: one report of the selected cells.

Run alone, after evaluate: python -m stages.compare
"""

from __future__ import annotations

import json
import logging

from stages.program import InputError, run
from stages.report import ReportContext, load_cell, write_report
from stages.study import params, paths
from stages.study.params import ROOT

log = logging.getLogger(__name__)


def main() -> None:
    """Writes reports/. Raises StudyError, or InputError where a selected cell was not evaluated."""
    study = params.load()
    try:
        data = json.loads((paths.PREPARED / "report.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("data/prepared/report.json: no prepared data; run dvc repro") from None
    cells = [load_cell(name, cell, ROOT) for name, cell in study.selected().items()]
    context = ReportContext(scale=study.scale, seed=study.seed, data=data,
                            selection={"backbone": study.backbone, "neck": study.neck}, listed=list(study.cells))
    write_report(cells, context, paths.REPORTS)
    log.info("%d cells in %s", len(cells), paths.REPORTS / "index.html")


if __name__ == "__main__":
    run(main, "compare")
