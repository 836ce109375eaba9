"""The chosen cell against the champion alone: only that verdict moves the registry's alias."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.errors import InputError
from stages.files import sha256
from stages.results.files import CellFiles
from stages.scoring.tables import read_detections, read_truth
from stages.study import paths
from stages.study.params import ROOT, Study
from stages.verdict import replicates
from stages.verdict.costs import costs_less
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Judgement
from stages.verdict.matches import match_detections
from stages.verdict.measured import detections_of
from stages.verdict.pairs import compare_cells
from stages.verdict.replicates import STUDY_STATISTICS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class Contest:
    """Whether the alias moves to the chosen cell, and the reason, to stand after "because"."""

    moves: bool
    reason: str


def contest(
    client: MlflowClient,
    champion: ModelVersion,
    row: str | None,
    judgement: Judgement,
    study: Study,
    root: Path = ROOT,
) -> Contest:
    """The chosen cell against the champion. row: the row of this comparison whose run the champion
    is, None where it is none of them: its predictions then come from MLflow.

    Two differences move the alias: a 95 % interval of the metric that decides above 0, or above
    -margin where the champion is not better and the chosen cell is shown to cost less. What is not
    comparable moves nothing.
    """
    chosen = judgement.choice.chosen or ""
    cell = next((cell for cell, rows in judgement.repeats.items() if row in rows), None)
    if cell is not None and cell == chosen:
        return Contest(False, f"it is a training of {chosen} too")
    if cell is not None:
        pair = judgement.pair(chosen, cell)
        difference = None if pair is None else pair.difference
        reason = "there is no verdict on them"
    else:
        difference, reason = _against_predictions(client, champion, judgement, study, root)
    if difference is None:
        return Contest(False, reason)
    text = (
        f"the difference of {judgement.metric} is {difference.value:+.3f} "
        f"(95 % interval {difference.low:+.3f} to {difference.high:+.3f})"
    )
    if difference.thin:
        return Contest(False, f"{text}, on too few boxes to decide")
    if difference.low > 0:
        return Contest(True, text)
    is_within = difference.high >= 0 and difference.low >= -judgement.margin
    if (
        is_within
        and cell is not None
        and costs_less(
            judgement.candidates[chosen], judgement.candidates[cell], judgement.choice.cost
        )
    ):
        margin = f"within the margin of {judgement.margin:g}"
        return Contest(True, f"{text}, {margin}, and it costs less")
    return Contest(False, text)


def _against_predictions(
    client: MlflowClient, champion: ModelVersion, judgement: Judgement, study: Study, root: Path
) -> tuple[Estimate | None, str]:
    """The difference to what the champion's run holds as artifacts; or why there is none."""
    split, _, metric = judgement.metric.partition("/")
    annotations = root / paths.annotations(split)
    name = champion.tags.get("cell", "")
    chosen = judgement.choice.chosen or ""
    record = _artifact(client, champion.run_id, f"metrics/per_class/{name}.json")
    results = _artifact(client, champion.run_id, f"predictions/{split}.json")
    if record is None or results is None:
        return None, "its run holds no predictions"
    if record.get("annotations", {}).get(split) != sha256(annotations):
        return None, f"it was evaluated on other {split} annotations"
    rows = [row for row in judgement.repeats[chosen] if study.fold_of(study.cell(row)) is None]
    if not rows:
        return None, f"no row of {chosen} is on fold {study.data.fold}"
    truth = read_truth(annotations)
    weights = replicates.draw_weights(len(truth.image_ids), study.verdicts.replicates, study.seed)
    own = []
    for row in rows:
        detections = detections_of(CellFiles(row, study.cell(row), root), split, truth)
        own.append(replicates.evaluate_replicates(match_detections(truth, detections), weights))
    try:
        theirs = replicates.evaluate_replicates(
            match_detections(truth, read_detections(results, truth)), weights
        )
    except InputError as error:
        return None, f"its predictions cannot be read: {error}"
    pairs = compare_cells({chosen: own, f"champion {name}": [theirs]}, STUDY_STATISTICS[metric])
    if not pairs:
        return None, f"{split} has no box"
    return pairs[0].difference, ""


def _artifact(client: MlflowClient, run_id: str, path: str) -> Any:
    """A JSON artifact; None where the run has none or it is damaged."""
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder:
        try:
            return json.loads(Path(client.download_artifacts(run_id, path, folder)).read_bytes())
        except (MlflowException, OSError, ValueError):
            return None
