"""Names that params.yaml gives to cells, backbones, the study and its data set, as DVC, files and MLflow take them; and
the short names of cells, `r50`, `swin_l · pafpn`, `r50 · seed 1`: what sets a row apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from stages.study.schema import Cell, Study
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


def check_study_name(name: str) -> None:
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


# Keys of a row in the order in which a name says them, and how. Those that change neither what is learnt nor
# what is scored (device_batch, activation_checkpointing) are not among them.
# A bare number would not say what it is.
_TEXTS = {
    "backbone": "{}",
    "detector": "{}",
    "neck": "{}",
    "optimizer": "{}",
    "image_size": "{} px",
    "epochs": "{} epochs",
    "batch_size": "batch {}",
    "lr": "lr {:g}",
    "train_share": "{:.3g} of train",
    "fold": "fold {}",
    "seed": "seed {}",
}
SEPARATOR = " · "


def short_names(study: Study) -> dict[str, str]:
    """Row of params.yaml -> its short name, each another one.

    The key with most levels is always said, of the others what a row does not have in common with
    most rows. Rows that this does not tell apart, and the row of a study that has one alone, keep
    the names that params.yaml gives them.
    """
    rows = {name: _levels(study, cell) for name, cell in study.cells.items()}
    # Key -> level -> how many rows have it.
    counts = {key: Counter(row[key] for row in rows.values()) for key in _TEXTS}
    varying = [key for key in _TEXTS if len(counts[key]) > 1]
    # max() takes the first of equals: a backbone rather than one of as many necks.
    main = max(varying, key=lambda key: len(counts[key]), default="")
    names = {}
    for name, row in rows.items():
        parts = []
        for key in varying:
            # most_common() gives the first of equals.
            usual, _ = counts[key].most_common(1)[0]
            if key == main or row[key] != usual:
                parts.append(row[key])
        names[name] = SEPARATOR.join(filter(None, parts))
    # A name that is empty, that two rows share or that another row has in params.yaml gives way.
    times = Counter(names.values())
    for name, short in names.items():
        if not short or times[short] > 1 or (short != name and short in rows):
            names[name] = name
    return names


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A sentence about cells with their short names. names: of short_names().

    Whole names alone are replaced, and none within a path, a stage's address or a command. A row
    whose name could be a word or a level (letters alone, or what another row is called in short)
    keeps it.
    """
    short = {}
    for row, name in names.items():
        if name != row and not row.isalpha() and row not in names.values():
            short[row] = name
    if not short:
        return text
    rows = "|".join(sorted(map(re.escape, short), key=len, reverse=True))
    # A full stop ends a sentence, or begins the ending of a file's name.
    pattern = re.compile(rf"`[^`]*`|(?<![\w@/.-])({rows})(?![\w/-]|\.\w)")
    return pattern.sub(lambda match: short.get(match[0], match[0]), text)


def _levels(study: Study, cell: Cell) -> dict[str, str]:
    """Key of _TEXTS -> the level that the row is trained with, as text; "" for a learning rate that
    it leaves open."""
    of_study = {
        "epochs": study.training.epochs,
        "batch_size": study.training.batch_size,
        "fold": study.data.fold,
        "seed": study.seed,
    }
    levels = {"lr": "", "train_share": "all of train"}
    for key, text in _TEXTS.items():
        value = getattr(cell, key)
        if value is None:
            value = of_study.get(key)
        if value is not None:
            levels[key] = text.format(value)
    return levels
