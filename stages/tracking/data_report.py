"""What the MLflow run of a data report holds; the data's digest finds it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from stages.tracking import checkout, provenance
from stages.tracking.description import Description
from stages.tracking.upload import Contents

CONTEXTS = {"train": "training", "val": "validation", "test": "testing"}
FILES = ("report.html", "report.json", "changes.csv")


def contents(report: dict[str, Any], folder: Path, tags: dict[str, str]) -> Contents:
    """The splits are dataset inputs. report: report.json of `folder`. tags: of names.tags()."""
    # Reports of earlier versions have no name.
    name = report.get("name") or report["source"]
    params = {key: report[key] for key in ("source", "image_root", "pixels")}
    datasets, counts = [], {}
    for split, part in report["splits"].items():
        datasets.append(
            {
                "name": f"{name}-{split}",
                "digest": part["digest"],
                "context": CONTEXTS[split],
                "source": str((folder / f"{split}.json").resolve()),
            }
        )
        counts[f"{split}/images"] = part["images"]
        counts[f"{split}/boxes"] = part["boxes"]
    for finding in report["findings"]:
        counts[f"findings/{finding['code']}"] = finding["count"]
    tags = {
        **tags,
        "digest": report["digest"],
        "mlflow.source.name": "stages.prepare",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": checkout.commit(),
        **provenance.dvc_tags(),
    }
    now = int(time.time() * 1000)
    return Contents(
        report["digest"],
        Description(f"{name} {report['digest'][:12]}", params, tags, datasets),
        numbers=[(key, count, now, 0) for key, count in counts.items()],
        files={file: folder / file for file in FILES},
    )
