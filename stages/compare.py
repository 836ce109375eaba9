"""Stage compare: the verdicts over the selected cells, and one report of them.

Run alone, after analyse and costs: python -m stages.compare
"""

from __future__ import annotations

import logging
from pathlib import Path

from stages.comparison import run as comparison
from stages.files import read_json
from stages.program import InputError, run
from stages.report import ReportContext, load_cell, write_report
from stages.study import group_metrics, params, paths
from stages.study.params import ROOT, Cell, Study
from stages.verdict import matrix
from stages.verdict.repeats import groups

log = logging.getLogger(__name__)


def main() -> None:
    """Writes reports/ and a comparison run in MLflow.

    Raises StudyError, or InputError where no selected cell has results or some cannot be read.
    """
    study = params.load()
    try:
        data = read_json(paths.PREPARED / "report.json")
    except FileNotFoundError:
        raise InputError("data/prepared/report.json: no prepared data; run dvc repro") from None
    # Resampling takes minutes, and would come before it is noticed there.
    group_metrics.check_classes(study, data.get("classes", []))
    absent = {name: hole(name, cell) for name, cell in study.selected().items()}
    holes = {name: why for name, why in absent.items() if why}
    holes.update(strays(study, [name for name in absent if name not in holes]))
    if len(holes) == len(absent):
        raise InputError(f"no selected cell has results; {next(iter(holes.values()))}")
    for name, why in holes.items():
        log.warning("%s is left out: %s", name, why)
    cells = [load_cell(name, study.cell(name), ROOT) for name in absent if name not in holes]
    unmeasured = [cell.name for cell in cells if not cell.costs]
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
    log.info("%d cells in %s", len(cells), paths.REPORTS / "index.html")
    comparison.log(judgement, cells, study, paths.REPORTS)


def strays(study: Study, names: list[str]) -> dict[str, str]:
    """Rows on other folds than the study's that have no row on it beside them, and why they are left out."""
    reasons = {}
    for first, rows in groups(study, names).items():
        if study.fold_of(study.cell(first)) is not None:
            for row in rows:
                reasons[row] = f"no row of its cell on fold {study.data.fold} has results"
    return reasons


def hole(name: str, cell: Cell) -> str:
    """Why a cell has no results, one line: the first file that is missing, or predictions or an analysis of an earlier
    training; "" where it has."""
    record = paths.record(name, cell)
    # Each stage asks for those before it.
    needed = {record / "run.json": "train", record / "history.csv": "train"}
    for split in matrix.SPLITS:
        needed[paths.predictions(name, cell, split)] = "predict"
    needed[paths.predicted(name, cell)] = "predict"
    for path in (paths.metrics(name, cell), paths.per_class(name, cell), paths.details(name, cell)):
        needed[path] = "analyse"
    for path, stage in needed.items():
        if not path.is_file():
            return f"{path} is missing; {_remedy(name, stage)}"
    trained = _training(record / "run.json")
    for path, stage in {
        paths.predicted(name, cell): "predict",
        paths.per_class(name, cell): "analyse",
    }.items():
        if _training(path) != trained:
            return f"{path} is of an earlier training; {_remedy(name, stage)}"
    return ""


def _remedy(name: str, stage: str) -> str:
    return f"run `dvc repro stages/dvc.yaml:{stage}@{name}`"


def _training(path: Path) -> str | None:
    try:
        return read_json(path).get("training_id")
    except AttributeError:
        # load_cell says what is wrong with it.
        return None


if __name__ == "__main__":
    run(main, "compare")
