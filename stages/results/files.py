"""A result file that is read: one line for what is wrong with it, with the command that makes it
again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.errors import InputError


def remedy(cell: str, stage: str) -> str:
    """What to do where a file that a stage leaves of a cell is missing or damaged."""
    return f"run `dvc repro stages/dvc.yaml:{stage}@{cell}`"


@dataclass(frozen=True)
class ResultFile:
    """path: below `root`, the project's folder, and how messages name the file. remedy: their
    end."""

    path: Path
    remedy: str
    root: Path = Path()

    def wrong(self, fault: str) -> InputError:
        return InputError(f"{self.path.as_posix()}: {fault}; {self.remedy}")

    def missing(self) -> InputError:
        return InputError(f"{self.path.as_posix()} is missing; {self.remedy}")

    def stale(self) -> InputError:
        """For a file that is of another training than the newest."""
        return InputError(f"{self.path.as_posix()} is of an earlier training; {self.remedy}")

    def text(self) -> str:
        """Raises InputError where there is no such file or it is no text."""
        try:
            return (self.root / self.path).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise self.missing() from None
        except UnicodeDecodeError as error:
            raise self.wrong(f"is no text ({error})") from None
        except OSError as error:
            raise self.wrong(f"cannot be read ({error.strerror})") from None

    def json(self) -> Any:
        """Raises InputError as text() does, and where the file is not JSON."""
        try:
            return json.loads(self.text())
        except ValueError as error:
            raise self.wrong(f"not JSON ({error})") from None

    def table(self) -> dict[str, Any]:
        """Raises InputError as json() does, and where the file holds no JSON object."""
        content = self.json()
        if not isinstance(content, dict):
            raise self.wrong("not a JSON object")
        return content

    def number(self, value: object, key: str) -> float | None:
        """A value of the file, None where it is none or not finite. Raises InputError where it is
        no number."""
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self.wrong(f"{key} is {value!r}, not a number")
        if value is None or not math.isfinite(value):
            return None
        return value

    def number_at(self, content: Mapping[str, Any], section: str, key: str) -> float | None:
        """number() of content[section][key]. Raises InputError where there is no such value."""
        try:
            value = content[section][key]
        except (KeyError, TypeError):
            raise self.wrong(f"no {section}.{key}") from None
        return self.number(value, f"{section}.{key}")
