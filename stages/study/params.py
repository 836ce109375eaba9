"""params.yaml, read and checked."""

from __future__ import annotations

from pathlib import Path

from stages.study import checks, yaml_text
from stages.study.fragments import PARTS, ROOT, known
from stages.study.schema import (
    DEFAULT_GROUP,
    DEFAULT_STUDY,
    Backbone,
    Cell,
    Data,
    DemoImages,
    Hypothesis,
    Scale,
    Source,
    Study,
    Verdicts,
    Weights,
)
from stages.study.strict import StudyError, read

# What the rest of the project takes from here: the dataclasses stand apart so that checks.py can name them.
__all__ = [
    "DEFAULT_GROUP",
    "DEFAULT_STUDY",
    "ROOT",
    "Backbone",
    "Cell",
    "Data",
    "DemoImages",
    "Hypothesis",
    "Scale",
    "Source",
    "Study",
    "StudyError",
    "Verdicts",
    "Weights",
    "levels",
    "load",
]


def load(path: Path = ROOT / "params.yaml") -> Study:
    """Reads and checks the whole study. Raises StudyError: one line with the key and what is
    allowed."""
    try:
        values = yaml_text.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"{path.name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StudyError(
            f"{path.name}: byte {error.start} is not UTF-8; save it in that encoding"
        ) from None
    except yaml_text.UnreadableYaml as error:
        raise StudyError(f"{path.name}: {error}") from None
    study: Study = read(Study, values, "")
    checks.check(study)
    return study


def levels(study: Study) -> dict[str, list[str | int]]:
    """Factor -> the levels that a hypothesis may name: the fragments there are, and the image sizes
    of the cells."""
    parts: dict[str, list[str | int]] = {part: list(known(part + "s")) for part in PARTS}
    return {**parts, "image_size": sorted({cell.image_size for cell in study.cells.values()})}
