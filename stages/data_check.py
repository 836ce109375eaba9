"""Checks a data set in any known layout and reports, without params.yaml naming it and without training anything.

Run: python -m stages.data_check ROOT
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from stages.data.discover import discover
from stages.prepare import prepare
from stages.program import run
from stages.study import params, paths

log = logging.getLogger(__name__)


def main(root: str) -> None:
    """Writes what prepare would write, into data/checked/. Raises InputError where prepare would stop.

    Thresholds and policy are those of params.yaml.
    """
    study = params.load()
    data = discover(Path(root).expanduser().resolve(), study.data)
    for split in paths.SPLITS:
        for name in getattr(data, split).files:
            log.info("%s: %s %s, images in %s", split, data.source, name, getattr(data, split).images or ".")
    if data.source == "coco" and data.pixels != "none" and not _has_images(data):
        log.warning("no image of %s is there: labels alone are checked (data.pixels: none)", data.root)
        data = dataclasses.replace(data, pixels="none")
    prepare(data, study.seed, paths.CHECKED)


def _has_images(data: params.Data) -> bool:
    from stages.data.sources.raw import IMAGE_SUFFIXES

    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in Path(data.root).rglob("*"))


if __name__ == "__main__":
    run(main, "data_check", "ROOT")
