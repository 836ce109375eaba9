"""Names that params.yaml gives to cells, backbones, the study and its data set, as DVC, files and MLflow take them."""

from __future__ import annotations

import re

from stages.study.schema import Study
from stages.study.strict import StudyError

# A cell's or backbone's name becomes a DVC stage, a file, a folder and an MLflow run: nothing that a
# shell or a path could read otherwise. DVC 3.67.1 cannot name a parameter whose key has a dot in it,
# quoted or not.
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,120}")
KEY_RULE = "a name has letters, digits, '_' and '-' only; to DVC a dot would be a step down to the next key"
# A study's name becomes an experiment, a folder below mlruns/ and a registered model. MLflow's
# models may not have / and : (mlflow/utils/validation.py); blanks and quotes would have to be
# quoted in the commands that messages print.
_STUDY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
# What the other experiments of a study add to its name (stages/tracking/store.py,
# comparison/run.py).
SUFFIXES = ("-data", "-comparisons")
# MLflow takes 500 characters for a data set, of which a split's name is a part
# (MAX_DATASET_NAME_SIZE in mlflow/utils/validation.py); a title has fewer.
LONGEST_DATA_NAME = 100


def check_key(section: str, name: str) -> None:
    """Raises StudyError where the name of a cell or backbone is none that DVC and files can have."""
    if not KEY.fullmatch(name):
        raise StudyError(f"{section}.{name}: {KEY_RULE}")


def check_study(name: str) -> None:
    """Raises StudyError where MLflow cannot have experiments and a model of this name."""
    if not _STUDY.fullmatch(name):
        raise StudyError(
            f"study: {name!r} cannot name MLflow's experiments and a model; 1 to 100 letters, "
            "digits, '_', '-' and '.', the first a letter or digit"
        )
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            raise StudyError(
                f"study: {name!r} ends in {suffix}, which names an experiment of the study "
                f"{name.removesuffix(suffix)!r}; choose another name"
            )


def check_data_set(name: str) -> None:
    """Raises StudyError where the name of a data set is no title of one line; "" is allowed."""
    if len(name) > LONGEST_DATA_NAME:
        raise StudyError(
            f"data.name: {len(name)} characters, the most allowed are {LONGEST_DATA_NAME}"
        )
    if not name.isprintable() or name != name.strip():
        raise StudyError(
            f"data.name: {name!r} has line breaks, control characters, or blanks at an end; "
            "remove them"
        )


def tags(study: Study) -> dict[str, str]:
    """What a run of MLflow says of where it belongs: its study and its data set."""
    return {"study": study.study, "dataset": study.data.display_name}
