"""What a run says of itself besides metrics and files: params, tags and the data that went in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# MLflow's limits: characters of a param's value in its SQL stores, of a tag's, and entries in one
# batch.
PARAM_LENGTH = 6000
TAG_LENGTH = 8000
BATCH = 100


@dataclass
class Description:
    """A run's name, params and tags; datasets: name, digest, source (a path) and context (such as
    "training")."""

    name: str
    params: dict[str, Any]
    tags: dict[str, str]
    datasets: list[dict[str, str]] = field(default_factory=list)

    def as_record(self) -> dict[str, Any]:
        """For run.json: enough to describe the run again, on another server."""
        return asdict(self)

    def cut_tags(self) -> dict[str, str]:
        return {key: str(value)[:TAG_LENGTH] for key, value in self.tags.items() if value}

    def complete(self, client: MlflowClient, run: Run) -> int:
        """Sends the params, tags and datasets that the run lacks; gives how many. Sent twice, they
        are stored once.

        A value too long for MLflow is cut, says so, and is an artifact in full.
        """
        from mlflow.entities import Param, RunTag

        run_id = run.info.run_id
        params, tags = [], []
        for key, value in self.params.items():
            if key in run.data.params:
                continue
            text = str(value)
            if len(text) > PARAM_LENGTH:
                client.log_text(run_id, text, f"params/{key}.txt")
            params.append(Param(key, cut(text, key)))
        for key, text in self.cut_tags().items():
            if key not in run.data.tags:
                tags.append(RunTag(key, text))
        for start in range(0, max(len(params), len(tags)), BATCH):
            end = start + BATCH
            client.log_batch(run_id, params=params[start:end], tags=tags[start:end])
        logged = {entry.dataset.name for entry in run.inputs.dataset_inputs}
        datasets = [entry for entry in self.datasets if entry["name"] not in logged]
        if datasets:
            client.log_inputs(run_id, [_input(entry) for entry in datasets])
        return len(params) + len(tags) + len(datasets)


def cut(text: str, key: str) -> str:
    """The text in MLflow's limit, with a mark where it is cut."""
    if len(text) <= PARAM_LENGTH:
        return text
    mark = f" ... (cut: {len(text)} characters are in params/{key}.txt)"
    return text[: PARAM_LENGTH - len(mark)] + mark


def _input(entry: dict[str, str]) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=entry["name"], digest=entry["digest"][:36], source_type="local", source=entry["source"]
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", entry["context"])])
