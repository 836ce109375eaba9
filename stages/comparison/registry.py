"""The model registry: the chosen cell's checkpoint as a version, and the alias that says which one
to use."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stages.comparison import champion
from stages.report.markdown import escape
from stages.study import paths
from stages.study.params import DEFAULT_STUDY, ROOT, Study
from stages.tracking import store
from stages.verdict.judgement import Judgement
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
    root: Path = ROOT,
) -> str:
    """Registers the chosen cell's run, only where the judgement holds, and moves the alias to it,
    only where it wins against the champion (champion.contest); what was done, or why nothing was,
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
    registered = _registered(client, name)
    tags = _tags(judgement, chosen, comparison, study.scale)
    folder = root / paths.model(chosen)
    if (folder / FILE).is_file():
        tags[DIGEST] = _digest(folder / FILE)
    version = _version(client, name, run.info.run_id, tags.get(DIGEST))
    if version is None:
        if (folder / "config.py").is_file():
            client.log_artifact(run.info.run_id, str(folder / "config.py"), CHECKPOINT)
        # The folder, not the file in it: MLflow downloads nothing, without a word, for a version
        # that is one file.
        version = client.create_model_version(
            name,
            f"runs:/{run.info.run_id}/{CHECKPOINT}",
            run.info.run_id,
            tags,
            description=_description(judgement, name),
        )
    else:
        for key, value_of_tag in tags.items():
            client.set_model_version_tag(name, version.version, key, value_of_tag)
        client.update_model_version(name, version.version, _description(judgement, name))
    text = f"{short} is version {version.version} of {name}"
    number = registered.aliases.get(ALIAS)
    if not number:
        client.set_registered_model_alias(name, ALIAS, version.version)
        return f"{text} and its {ALIAS}."
    if str(number) == str(version.version):
        return f"{text} and stays its {ALIAS}."
    holder = client.get_model_version(name, number)
    result = _contest(client, holder, runs, judgement, study, root)
    cell = judgement.short(holder.tags.get("cell", "another cell"))
    reason = judgement.named(result.reason)
    if not result.moves:
        return f"{text}; its {ALIAS} stays version {number}, {cell}: {reason}."
    client.set_registered_model_alias(name, ALIAS, version.version)
    return f"{text} and its {ALIAS}, which was version {number}, {cell}: {reason}."


def _contest(
    client: MlflowClient,
    holder: ModelVersion,
    runs: Mapping[str, Run],
    judgement: Judgement,
    study: Study,
    root: Path,
) -> champion.Contest:
    scale = holder.tags.get("scale", study.scale)
    if scale != study.scale:
        # A miniature shows that a cell trains; its numbers are not those of the full model.
        return champion.Contest(study.scale == "full", f"it was trained at scale {scale}")
    row = next((row for row, run in runs.items() if run.info.run_id == holder.run_id), None)
    return champion.contest(client, holder, row, judgement, study, root)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _registered(client: MlflowClient, name: str) -> RegisteredModel:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    try:
        return client.create_registered_model(name, description=_ABOUT)
    except MlflowException as error:
        # Somebody else was first.
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return client.get_registered_model(name)


def _version(
    client: MlflowClient, name: str, run_id: str, digest: str | None
) -> ModelVersion | None:
    """The first version of a run, or of another run that ended in the same checkpoint."""
    versions = list(client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'"))
    if not versions and digest:
        versions = list(
            client.search_model_versions(f"name = '{name}' and tag.{DIGEST} = '{digest}'")
        )
    return min(versions, key=lambda version: int(version.version), default=None)


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
