"""The model registry: the chosen cell's checkpoint as a version, and the alias of the one to use,
which only a verdict on the chosen cell against the champion moves."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.errors import InputError
from stages.files import sha256
from stages.report.texts import escape
from stages.results.files import CellFiles
from stages.scoring.tables import read_detections, read_truth
from stages.study import paths
from stages.study.params import Study
from stages.study.schema import DEFAULT_STUDY
from stages.tracking import store
from stages.verdict import replicates
from stages.verdict.costs import Candidate, costs_less
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Judgement
from stages.verdict.matches import match
from stages.verdict.measured import detections_of
from stages.verdict.pairs import compare
from stages.verdict.replicates import STUDY
from stages.verdict.wording import value

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

ALIAS = "champion"
CHECKPOINT = "checkpoint"
FILE = "best.pth"
# The SHA-256 of a version's checkpoint, as a tag.
DIGEST = "checkpoint"
_ABOUT = (
    "The cells that comparisons chose: a checkpoint and the config that MMDetection loads it with. "
    f"{ALIAS}: the one to use."
)


def model_name() -> str:
    """The experiment's name: `study` of params.yaml, or what MLFLOW_EXPERIMENT_NAME says."""
    # The registry refuses / and :, and a quote would end a search's string.
    return re.sub(r"[/:'\"]+", "-", store.experiment_name()).strip("-") or DEFAULT_STUDY


def promote(
    client: MlflowClient,
    judgement: Judgement,
    runs: Mapping[str, Run],
    comparison: str,
    study: Study,
    root: Path,
) -> str:
    """Registers the chosen cell's run, only where the judgement holds, and moves the alias to it,
    only where it wins against the champion (contest()); what was done, or why nothing was,
    as a sentence.

    runs: row -> its run, for those that the tracker knows; comparison: the comparison's run id;
    root: of models/, whose config.py goes beside the checkpoint. A checkpoint becomes one version,
    however often it is trained or compared.
    """
    name, chosen = model_name(), judgement.choice.chosen
    if not judgement.holds or chosen is None:
        return f"Nothing is registered. {judgement.named(judgement.why)}"
    run = runs.get(chosen)
    short = judgement.short(chosen)
    if run is None:
        return f"Nothing is registered: MLflow does not know the run of {short}."
    artifacts = {entry.path for entry in client.list_artifacts(run.info.run_id, CHECKPOINT)}
    if f"{CHECKPOINT}/{FILE}" not in artifacts:
        return f"Nothing is registered: the run of {short} has no {CHECKPOINT}/{FILE} in MLflow."
    number = _registered(client, name).aliases.get(ALIAS)
    tags = _tags(judgement, chosen, comparison, study.scale)
    version = _version(client, name, run.info.run_id, tags, root / paths.model(chosen))
    client.update_model_version(name, version, _description(judgement, name))
    text = f"{short} is version {version} of {name}"
    if str(number) == version:
        return f"{text} and stays its {ALIAS}."
    if not number:
        client.set_registered_model_alias(name, ALIAS, version)
        return f"{text} and its {ALIAS}."
    holder = client.get_model_version(name, number)
    scale = holder.tags.get("scale", study.scale)
    row = next((row for row, run in runs.items() if run.info.run_id == holder.run_id), None)
    if scale == study.scale:
        result = contest(client, holder, row, judgement, study, root)
    else:
        # A miniature shows that a cell trains; its numbers are not those of the full model.
        reason = f"it was trained at scale {scale}"
        result = Contest(study.scale == "full", reason)
    cell = judgement.short(holder.tags.get("cell", "another cell"))
    if row is None and holder.tags.get("cell") in runs:
        # Its numbers are not those of the row that has its name today.
        cell = f"an earlier training of {cell}"
    reason = judgement.named(result.reason)
    if not result.moves:
        return f"{text}; its {ALIAS} stays version {number}, {cell}: {reason}."
    client.set_registered_model_alias(name, ALIAS, version)
    return f"{text} and its {ALIAS}, which was version {number}, {cell}: {reason}."


def _registered(client: MlflowClient, name: str) -> RegisteredModel:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    # Where somebody else is first, all of this is tried again.
    return client.create_registered_model(name, description=_ABOUT)


def _version(
    client: MlflowClient, name: str, run_id: str, tags: dict[str, str], folder: Path
) -> str:
    """The number of the first version of a run, or of another run that ended in the same
    checkpoint; else of a new one. It gets the tags. folder: models/<cell>."""
    conditions = [f"run_id = '{run_id}'"]
    if (folder / FILE).is_file():
        tags = {**tags, DIGEST: sha256(folder / FILE)}
        conditions.append(f"tag.{DIGEST} = '{tags[DIGEST]}'")
    for condition in conditions:
        versions = client.search_model_versions(f"name = '{name}' and {condition}")
        if versions:
            number = str(min(int(version.version) for version in versions))
            for key, text in tags.items():
                client.set_model_version_tag(name, number, key, text)
            return number
    if (folder / "config.py").is_file():
        client.log_artifact(run_id, str(folder / "config.py"), CHECKPOINT)
    # The folder: MLflow downloads nothing, without a word, for a version that is one file.
    source = f"runs:/{run_id}/{CHECKPOINT}"
    return str(client.create_model_version(name, source, run_id, tags).version)


def _tags(judgement: Judgement, chosen: str, comparison: str, scale: str) -> dict[str, str]:
    estimate = judgement.estimates[chosen][judgement.metric]
    assert estimate is not None, "a choice that holds has a score"
    return {
        "cell": chosen,
        "scale": scale,
        "comparison": comparison,
        "metric": judgement.metric,
        "value": value(estimate.value),
        "interval": f"{value(estimate.low)} to {value(estimate.high)}",
        "file": FILE,
    }


def _description(judgement: Judgement, name: str) -> str:
    chosen = judgement.choice.chosen or ""
    sentence = escape(judgement.named(judgement.choice.sentence))
    basis = escape(judgement.named(judgement.why))
    # Short names are of this comparison; the row's name stays what it is in later ones.
    row = f"`{chosen}` in params.yaml. " if judgement.short(chosen) != chosen else ""
    return (
        f"{sentence}\n\n{basis}\n\n{row}To load it, in this project's folder: "
        f"`mlflow artifacts download -u models:/{name}@{ALIAS} -d model`, then "
        f"`mmdet.apis.init_detector('model/config.py', 'model/{FILE}')`."
    )


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
    root: Path,
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
    if is_within and cell is not None and _costs_less(judgement, chosen, cell):
        margin = f"within the margin of {judgement.margin:g}"
        return Contest(True, f"{text}, {margin}, and it costs less")
    return Contest(False, text)


def _costs_less(judgement: Judgement, chosen: str, cell: str) -> bool:
    first, second = (
        Candidate(name, None, judgement.costs[name], judgement.cost_spread.get(name, {}))
        for name in (chosen, cell)
    )
    return costs_less(first, second, judgement.choice.cost)


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
    weights = replicates.draw(len(truth.image_ids), study.verdicts.replicates, study.seed)
    own = []
    for row in rows:
        detections = detections_of(CellFiles(row, study.cell(row), root), split, truth)
        own.append(replicates.evaluate(match(truth, detections), weights))
    try:
        theirs = replicates.evaluate(match(truth, read_detections(results, truth)), weights)
    except InputError as error:
        return None, f"its predictions cannot be read: {error}"
    pairs = compare({chosen: own, f"champion {name}": [theirs]}, STUDY[metric])
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
