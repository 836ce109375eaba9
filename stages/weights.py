"""Stage weights: fetches and checks one pretrained backbone, and writes it under MMDetection's names.

Run alone: python -m stages.weights r50
"""

from __future__ import annotations

import json
import logging

from safetensors import serialize_file

from stages.files import replacing
from stages.program import InputError, run
from stages.study import params, paths
from stages.study.params import ROOT, Study

log = logging.getLogger(__name__)


def main(backbone: str) -> None:
    """Writes data/weights/<backbone>.safetensors, which is empty where the scale trains from random weights.

    Its metadata has one key, record: {"sha256": of the file it is from, "matched": how many tensors, "missing" and
    "unexpected": names, as Match has them} as JSON.
    Raises StudyError for an unknown backbone, InputError where the file cannot be had or is not that backbone's.
    """
    study = params.load()
    weights = study.pretrained(backbone)
    if study.training.weights == "none":
        with replacing(paths.weights(backbone)) as beside:
            serialize_file({}, beside, metadata={"weights": "none"})
        return
    # Seconds of imports, after what can be refused at once.
    from safetensors.torch import save_file

    from stages.pretrained import fetch
    from stages.pretrained import tensors as names

    path, digest = fetch.fetch(backbone, weights, paths.WEIGHTS / "raw")
    match = names.match(names.read(path), build(backbone, study))
    said = (f"{len(match.matched)} tensors matched ({match.share:.1%}), {len(match.missing)} missing"
            f"{shown(match.missing)}, {len(match.unexpected)} not used{shown(match.unexpected)}")
    if match.share < names.LEAST_MATCHED:
        raise InputError(f"{path}: is not the backbone {backbone}: {said}")
    log.info("%s: %s: %s", backbone, path.name, said)
    # Only what the file itself decides: the address or the licence of the same file, edited, must retrain nothing;
    # dvc.lock has both. One key, because safetensors writes several in an order that changes from run to run.
    record = {"sha256": digest, "matched": len(match.matched), "missing": match.missing,
              "unexpected": match.unexpected}
    with replacing(paths.weights(backbone)) as beside:
        save_file(match.matched, beside, metadata={"record": json.dumps(record)})


def build(backbone: str, study: Study):
    """The backbone as the cells of this scale have it, with random weights."""
    from mmdet.registry import MODELS

    import stages.model.ops  # noqa: F401
    from stages.model.compose import backbone_config

    config = backbone_config(backbone, study, ROOT)
    config["init_cfg"] = None
    return MODELS.build(config)


def shown(names: list[str]) -> str:
    """The first names of a list, in brackets after a space; nothing of an empty one."""
    return f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else ""


if __name__ == "__main__":
    run(main, "weights", "BACKBONE")
