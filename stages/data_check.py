"""Checks a data set in any known layout and reports, without params.yaml naming it and without
training anything.

Run: python -m stages.data_check ROOT
WRITE=1 in the environment writes the set into params.yaml;
POLICY="image_missing=drop ..." changes data.policy.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path

from stages.data.catalogue import checked
from stages.data.discover import check_command, data_block, discover, write_block
from stages.data.disk import OTHER_SUFFIXES, Tree, walk
from stages.prepare import prepare
from stages.program import InputError, run
from stages.study import params, paths

log = logging.getLogger(__name__)
_PARAMS = params.ROOT / "params.yaml"


def main(root: str) -> None:
    """Writes what prepare would write, into data/checked/, and prints the block `data:` that
    params.yaml needs.

    Thresholds and policy are those of params.yaml. Raises InputError where prepare would stop,
    StudyError for a policy that cannot be.
    """
    study = params.load_study()
    policy = changed_policy(os.environ.get("POLICY", ""), study.data.policy)
    folder = Path(root).expanduser().resolve()
    name = study.data.name if folder == Path(study.data.root).resolve() else ""
    data = discover(folder, dataclasses.replace(study.data, policy=policy, name=name))
    for split in paths.SPLITS:
        source = getattr(data, split)
        for file in source.files:
            log.info("%s: %s %s, images in %s", split, data.source, file, source.images or ".")
    checks = data
    if data.source != "yolo" and data.pixels != "none" and not has_images(walk(Path(data.root))):
        log.warning(
            "no image of %s is there: labels alone are checked (data.pixels: none)", data.root
        )
        checks = dataclasses.replace(data, pixels="none")
    try:
        prepare(checks, study.seed, paths.CHECKED)
    except InputError as error:
        _show(data)
        if "data.policy." in str(error):
            log.info('a policy is tried with %s POLICY="CODE=ACTION"', check_command(root))
        raise
    _show(data)


def has_images(tree: Tree) -> bool:
    """Whether anything in a set may be its images, also what prepare will refuse to open: files of
    other suffixes, and links out of the set."""
    return bool(tree.images or tree.links or next(tree.paths(*OTHER_SUFFIXES), ""))


def changed_policy(text: str, policy: dict[str, str]) -> dict[str, str]:
    """`policy` with the changes of a text such as "image_missing=drop box_tiny=drop"."""
    changes = {}
    for word in text.split():
        code, _, action = word.partition("=")
        changes[code] = action
    checked(changes)
    return {**policy, **changes}


def _show(data: params.Data) -> None:
    """Prints the block, or writes it."""
    if os.environ.get("WRITE", "0") in ("", "0"):
        log.info("what params.yaml needs for this set; WRITE=1 writes it:")
        print(data_block(_PARAMS, data), end="", flush=True)
    else:
        write_block(_PARAMS, data)
        log.info("%s: data names this set now; dvc repro prepare reads it", _PARAMS)


if __name__ == "__main__":
    run(main, "data_check", "ROOT")
