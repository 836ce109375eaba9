"""Short names of cells: what sets a row of params.yaml apart, as `r50`, `swin_l · pafpn`, `r50 ·
seed 1`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from operator import itemgetter

from stages.study.params import Cell, Study

# Keys of a row in the order in which a name says them. Those that change neither what is learnt nor
# what is scored (device_batch, activation_checkpointing) are not among them.
KEYS = (
    "backbone",
    "detector",
    "neck",
    "optimizer",
    "image_size",
    "epochs",
    "batch_size",
    "lr",
    "train_share",
    "fold",
    "seed",
)
SEPARATOR = " · "
# A bare number would not say what it is.
_TEXTS = {
    "image_size": "{} px",
    "epochs": "{} epochs",
    "batch_size": "batch {}",
    "lr": "lr {:g}",
    "train_share": "{:.3g} of train",
    "fold": "fold {}",
    "seed": "seed {}",
}


def short_names(study: Study) -> dict[str, str]:
    """Row of params.yaml -> its short name, each another one.

    The key with most levels is always said, of the others what a row does not have in common with
    most rows. Rows that this does not tell apart, and the row of a study that has one alone, keep
    the names that params.yaml gives them.
    """
    rows = {name: _levels(study, cell) for name, cell in study.cells.items()}
    # Key -> level -> the rows that have it.
    counts = {key: Counter(map(itemgetter(key), rows.values())) for key in KEYS}
    varying = [key for key in KEYS if len(counts[key]) > 1]
    if not varying:
        return {name: name for name in rows}
    # max() takes the first of equals: a backbone rather than one of as many necks.
    main = max(varying, key=lambda key: len(counts[key]))
    names = {}
    for name, row in rows.items():
        parts = []
        for key in varying:
            # most_common() gives the first of equals.
            usual, _ = counts[key].most_common(1)[0]
            if key == main or row[key] != usual:
                parts.append(row[key])
        names[name] = SEPARATOR.join(filter(None, parts))
    return _unique(names)


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
    """Key of KEYS -> the level that the row is trained with, as text; "" for a learning rate that
    it leaves open."""
    values = {key: getattr(cell, key, None) for key in KEYS}
    of_study = {
        "epochs": study.training.epochs,
        "batch_size": study.training.batch_size,
        "train_share": 1.0,
        "fold": study.data.fold,
        "seed": study.seed,
    }
    levels = {}
    for key, value in values.items():
        if value is None:
            value = of_study.get(key)
        if value is None:
            levels[key] = ""
        elif key == "train_share" and value == 1:
            levels[key] = "all of train"
        else:
            levels[key] = _TEXTS.get(key, "{}").format(value)
    return levels


def _unique(names: dict[str, str]) -> dict[str, str]:
    """A name that is empty, that two rows share or that another row has in params.yaml gives way to
    the row's own."""
    times = Counter(names.values())
    unique = {}
    for row, short in names.items():
        is_other_row = short != row and short in names
        unique[row] = short
        if not short or times[short] > 1 or is_other_row:
            unique[row] = row
    return unique
