"""What lies in the folders of a set."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from stages.data.boundary import boundary
from stages.data.checks.paths import form


class Disk:
    """What lies in the folders under `root` that names lead into. Each is read once."""

    def __init__(self, root: Path) -> None:
        self.root, self.boundary = root, boundary(root)
        # Of a folder: its entries by name, and whether each is a link.
        self._listed: dict[str, dict[str, bool]] = {}
        self._real: dict[str, str] = {}
        self._forms: dict[str, dict[str, list[str]]] = {}

    def has(self, name: str) -> bool:
        folder, last = posixpath.split(name)
        return last in self._list(folder)

    def near(self, name: str) -> str | None:
        """The one path that differs from `name` by case or Unicode form alone, in its folders
        too."""
        path = ""
        for part in name.split("/"):
            if part not in self._list(path):
                alike = self._alike(path, part)
                # Two that differ by case only: neither is meant more than the other.
                if len(alike) != 1:
                    return None
                part = alike[0]
            path = posixpath.join(path, part)
        return path

    def outside(self, name: str) -> str:
        """Where a link leads that leaves the set, or ""."""
        folder, last = posixpath.split(name)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(self.root / folder)
        target = os.path.join(self._real[folder], last)  # noqa: PTH118
        if self._list(folder)[last]:
            target = os.path.realpath(target)
        if self.boundary.holds(target):
            return ""
        return target

    def files(self, folder: str) -> list[str]:
        return [posixpath.join(folder, name) for name in self._list(folder)]

    def _alike(self, folder: str, name: str) -> list[str]:
        """Names in a folder that have the form of `name`."""
        if folder not in self._forms:
            forms: dict[str, list[str]] = {}
            for entry in self._list(folder):
                forms.setdefault(form(entry), []).append(entry)
            self._forms[folder] = forms
        return self._forms[folder].get(form(name), [])

    def _list(self, folder: str) -> dict[str, bool]:
        if folder not in self._listed:
            try:
                with os.scandir(self.root / folder) as entries:
                    self._listed[folder] = {entry.name: entry.is_symlink() for entry in entries}
            except OSError:  # no folder, or one that may not be read
                self._listed[folder] = {}
        return self._listed[folder]
