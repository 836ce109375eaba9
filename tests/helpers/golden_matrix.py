"""A made matrix in which every kind of verdict occurs, and all that is concluded of it as one text."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from golden_texts import transposed
from made_matrix import R50, R101, X101, load, row, study_of, write_cell, write_truth

from stages.report.shown_cells import page_cells
from stages.report.summary import compare_csv, summary_json
from stages.report.verdicts.card import choice_card
from stages.report.verdicts.standing import places
from stages.results.cell import CellResult, MeasuredCosts
from stages.study.params import Hypothesis, Study
from stages.verdict.judgement import Judgement
from stages.verdict.matrix import conclude

# A repeat, a row that nobody measured the latency of, one that is worse and costs more, and one without results.
ROWS = {
    R50: row("r50"),
    "r50-again": row("r50", seed=1),
    R101: row("r101"),
    X101: row("x101"),
    "swin_t-unmeasured": row("swin_t"),
    "r50-large": row("r50", image_size=1024),
}
HOLE = "swin_l-not-trained"
STATED = [
    Hypothesis("More parameters raise mAP", "r50 < r101 < x101"),
    Hypothesis("Fewer parameters raise mAP", "r101 < r50"),
    Hypothesis("More parameters raise mAP of small boxes", "r50 < r101", metric="val/bbox_mAP_s"),
    Hypothesis("PAFPN raises mAP", "fpn < pafpn"),
    Hypothesis("More pixels raise mAP", "512 < 1024", {"backbone": "r50"}),
    Hypothesis(
        "Fewer pixels raise mAP",
        "1024 < 512",
        {"backbone": "r50"},
        ["val/bbox_mAP", "test/bbox_mAP_75"],
    ),
]


def study(**verdicts) -> Study:
    found = study_of({**ROWS, HOLE: row("swin_l")}, STATED, **verdicts)
    # What params.yaml trains with today is no part of these conclusions.
    training = dataclasses.replace(found.training, lr={"sgd": 0.05, "adamw": 0.0016})
    return dataclasses.replace(found, seed=0, scales={found.scale: training})


def write(root: Path) -> list[CellResult]:
    """The finished cells. X101 is best on val and R101 on test."""
    for split in ("val", "test"):
        write_truth(root, split)
    write_cell(root, R50, ROWS[R50], 0.74, seed=1, latency_ms=12.0, run={"parameters": 41_000_000})
    write_cell(
        root,
        "r50-again",
        ROWS["r50-again"],
        0.76,
        seed=2,
        latency_ms=12.5,
        run={"parameters": 41_000_000, "train_loss": 1.2},
    )
    write_cell(
        root,
        R101,
        ROWS[R101],
        (0.77, 0.8),
        seed=3,
        latency_ms=18.0,
        size_mib=15.0,
        run={"parameters": 60_000_000, "batch_size": 8},
    )
    write_cell(
        root,
        X101,
        ROWS[X101],
        (0.8, 0.7),
        seed=4,
        latency_ms=30.0,
        size_mib=20.0,
        run={"parameters": 99_000_000},
    )
    write_cell(
        root,
        "swin_t-unmeasured",
        ROWS["swin_t-unmeasured"],
        0.5,
        seed=5,
        latency_ms=None,
        run={"parameters": 45_000_000},
    )
    write_cell(
        root,
        "r50-large",
        ROWS["r50-large"],
        0.2,
        seed=6,
        latency_ms=40.0,
        run={"parameters": 41_000_000},
    )
    return load(root, ROWS)


def judged(cells: list[CellResult], root: Path, **verdicts) -> Judgement:
    found = conclude(study(**verdicts), cells, {HOLE: "it was not trained"}, root)
    # Nothing is left to be seen by a golden file where nothing was compared.
    assert found.pairs[found.metric] and found.fairness
    return found


def conclusions(cells: list[CellResult], judgement: Judgement) -> str:
    """What the report, the summary and the table say, a sentence or a column a line."""
    shown = choice_card(judgement)
    lines = ["# holds", str(judgement.holds), judgement.why]
    lines += ["", "# choice and front", judgement.choice.sentence, judgement.front.sentence]
    lines += ["", "# card", shown.ship, shown.state, shown.because]
    lines += [f"{label}: {text}" for label, text in shown.points.items()]
    lines += [f"warning: {shown.warning}", *shown.details]
    lines += ["", "# places"]
    for name, place in places(judgement, page_cells(cells, judgement)).items():
        lines.append(
            f"{name}: {place.words}; P(best) {place.p_best_text}, loss {place.loss_text}; {place.pareto}"
        )
        lines.append(f"    lacks {place.lacks!r}, dominated by {', '.join(place.dominated)!r}")
        lines += [f"    {line}" for line in place.title.splitlines()]
    lines += ["", "# hypotheses"]
    for finding in judgement.findings:
        lines.append(f"{finding.outcome}: {finding.sentence}")
    lines += ["", "# fairness"]
    for (first, second), fairness in judgement.fairness.items():
        if first < second:
            lines.append(f"{fairness.sentence} {' '.join(fairness.cautions)}")
    lines += ["", "# compare.csv", *transposed(compare_csv(cells, judgement))]
    lines += ["", "# summary.json"]
    for key, value in json.loads(summary_json(cells, judgement)).items():
        lines.append(f"{key} = {value:.6g}" if isinstance(value, float) else f"{key} = {value}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def without_costs(cells: list[CellResult]) -> list[CellResult]:
    """As before the stage costs has run."""
    return [dataclasses.replace(cell, measured=MeasuredCosts()) for cell in cells]
