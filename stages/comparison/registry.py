"""The model registry: the chosen cell's checkpoint as a version, and the alias that says which one to use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from stages.report.markdown import escape
from stages.study.params import DEFAULT_STUDY
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
_ABOUT = ("The cells that comparisons chose: a checkpoint and the config that MMDetection loads it with. "
          f"{ALIAS}: the one to use.")


def model_name() -> str:
    """The experiment's name: `study` of params.yaml, or what MLFLOW_EXPERIMENT_NAME says."""
    # The registry refuses / and :, and a quote would end a search's string.
    return re.sub(r"[/:'\"]+", "-", store.experiment_name()).strip("-") or DEFAULT_STUDY


def promote(client: MlflowClient, judgement: Judgement, run: Run | None, comparison: str, scale: str,
            model: Path | None) -> str:
    """Registers the chosen cell's run and moves the alias to it, only where the judgement holds; what was done, or
    why nothing was, as a sentence.

    run: of the chosen cell, None where the tracker does not know it; comparison: the comparison's run id; model: the
    folder of the cell's config.py, which goes beside the checkpoint. A run becomes one version, however often.
    """
    name, chosen = model_name(), judgement.choice.chosen
    if not judgement.holds or chosen is None:
        return f"Nothing is registered. {judgement.why}"
    if run is None:
        return f"Nothing is registered: MLflow does not know the run of {chosen}."
    run_id = run.info.run_id
    if f"{CHECKPOINT}/{FILE}" not in {entry.path for entry in client.list_artifacts(run_id, CHECKPOINT)}:
        return f"Nothing is registered: the run of {chosen} has no {CHECKPOINT}/{FILE} in MLflow."
    registered = _registered(client, name)
    version = _version(client, name, run_id)
    if version is None:
        if model and (model / "config.py").is_file():
            client.log_artifact(run_id, str(model / "config.py"), CHECKPOINT)
        # The folder, not the file in it: MLflow downloads nothing, without a word, for a version that is one file.
        version = client.create_model_version(name, f"runs:/{run_id}/{CHECKPOINT}", run_id, _tags(
            judgement, comparison, scale), description=_description(judgement, name))
    else:
        for key, text in _tags(judgement, comparison, scale).items():
            client.set_model_version_tag(name, version.version, key, text)
        client.update_model_version(name, version.version, _description(judgement, name))
    holder = registered.aliases.get(ALIAS)
    what = f"{chosen} is version {version.version} of {name}"
    if str(holder) == str(version.version):
        return f"{what} and stays its {ALIAS}."
    if holder and scale == "miniature" and client.get_model_version(name, holder).tags.get("scale") == "full":
        return f"{what}; its {ALIAS} stays version {holder}, which was trained at scale full."
    client.set_registered_model_alias(name, ALIAS, version.version)
    return f"{what} and its {ALIAS}{f', which was version {holder}' if holder else ''}."


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


def _version(client: MlflowClient, name: str, run_id: str) -> ModelVersion | None:
    found = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    return min(found, key=lambda one: int(one.version), default=None)


def _tags(judgement: Judgement, comparison: str, scale: str) -> dict[str, str]:
    one = judgement.estimates[judgement.choice.chosen][judgement.metric]
    return {"cell": judgement.choice.chosen, "scale": scale, "comparison": comparison, "metric": judgement.metric,
            "value": value(one.value), "interval": f"{value(one.low)} to {value(one.high)}", "file": FILE}


def _description(judgement: Judgement, name: str) -> str:
    return (f"{escape(judgement.choice.sentence)}\n\n{escape(judgement.why)}\n\nTo load it, in this project's folder: "
            f"`mlflow artifacts download -u models:/{name}@{ALIAS} -d model`, then "
            f"`mmdet.apis.init_detector('model/config.py', 'model/{FILE}')`.")
