"""Stage weights: fetches and checks a cell's pretrained backbone, and writes it under MMDetection's
names.

Run alone, after compose: python -m stages.weights faster_rcnn-r50-fpn-sgd-512
"""

from __future__ import annotations

import json
import logging
import os

from safetensors import serialize_file

from stages.errors import InputError
from stages.files import read_json, replacing, write_text
from stages.program import run
from stages.study import params, paths
from stages.study.params import Weights

log = logging.getLogger(__name__)


def main(name: str) -> None:
    """Writes data/weights/<cell>.safetensors, which is empty where the cell trains from random
    weights.

    Its metadata has one key, record: {"sha256": of the file it is from, "matched": how many
    tensors, "missing" and "unexpected": names, as Match has them} as JSON. Raises StudyError for an
    unknown cell, InputError where the file cannot be had or is not its backbone's.
    """
    if "DVC_STAGE" not in os.environ:
        from stages.model import resolve

        write_text(paths.pretrained(name), resolve.weights_text(name, params.load_study()))
    try:
        wanted = read_json(paths.pretrained(name))
    except FileNotFoundError:
        raise InputError(
            f"{paths.pretrained(name)}: no such cell; run dvc repro compose, or python -m "
            "stages.compose"
        ) from None
    path = paths.weights(name)
    if wanted["weights"] == "none":
        with replacing(path) as temporary:
            serialize_file({}, temporary, metadata={"weights": "none"})
        return
    # Seconds of imports, after what can be refused at once.
    from safetensors.torch import save_file

    from stages.pretrained import fetch
    from stages.pretrained import tensors as names

    backbone = wanted["backbone"]
    source, digest = fetch.fetch(
        backbone, Weights(wanted["source"], "", wanted["sha256"]), fetch.raw_folder()
    )
    match = names.match_tensors(names.read_tensors(source), build(wanted["model"]))
    summary = (
        f"{len(match.matched)} tensors matched ({match.share:.1%}), {len(match.missing)} missing"
        f"{first_names(match.missing)}, {len(match.unexpected)} not used"
        f"{first_names(match.unexpected)}"
    )
    if match.share < names.LEAST_MATCHED:
        raise InputError(f"{source}: is not the backbone {backbone}: {summary}")
    log.info("%s: %s: %s", name, source.name, summary)
    # Only what the file itself decides: the address or the licence of the same file, edited, must
    # retrain nothing; dvc.lock has both. One key, because safetensors writes several in an order
    # that changes from run to run.
    record = {
        "sha256": digest,
        "matched": len(match.matched),
        "missing": match.missing,
        "unexpected": match.unexpected,
    }
    with replacing(path) as temporary:
        save_file(match.matched, temporary, metadata={"record": json.dumps(record)})


def build(config: dict):
    """A backbone with random weights."""
    from mmdet.registry import MODELS

    import stages.model.ops  # noqa: F401

    return MODELS.build(config)


def first_names(names: list[str]) -> str:
    """The first names of a list, in brackets after a space; nothing of an empty one."""
    if not names:
        return ""
    examples = names[:3]
    if len(names) > 3:
        examples.append("...")
    return f" ({', '.join(examples)})"


if __name__ == "__main__":
    run(main, "weights", "CELL")
