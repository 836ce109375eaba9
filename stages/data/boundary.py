"""Which files belong to a set: those below its root, and those of DVC's cache that links below it
lead to."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

from stages.study.params import ROOT

# Where DVC keeps a file, within its cache: by its hash, in version 2 without the first two folders.
_OBJECT = re.compile(r"(files/md5/)?[0-9a-f]{2}/[0-9a-f]{30}")


class Boundary:
    """What belongs to the set below `root`. `top` is the root with all links followed."""

    def __init__(self, root: Path) -> None:
        self.root, self.top = root, os.path.realpath(root)

    def holds(self, target: str) -> bool:
        """Whether a path in which all links were followed belongs to the set."""
        if Path(target).is_relative_to(self.top):
            return True
        # A set's own config may name any folder as its cache: what DVC has put there is known by
        # its name alone.
        for cache in self._caches:
            path = Path(target)
            if path.is_relative_to(cache) and _OBJECT.fullmatch(path.relative_to(cache).as_posix()):
                return True
        return False

    @functools.cached_property
    def _caches(self) -> list[str]:
        """DVC's cache folders: of the repository that the set lies in, and of this project."""
        repositories = [ROOT]
        for folder in (Path(self.top), *Path(self.top).parents):
            if (folder / ".dvc").is_dir():
                repositories.insert(0, folder)
                break
        caches = map(cache_of, repositories)
        return [os.path.realpath(cache) for cache in caches if cache]


@functools.lru_cache(maxsize=16)
def boundary(root: Path) -> Boundary:
    return Boundary(root)


def cache_of(repository: Path) -> str:
    """The folder of DVC's cache (`dvc config cache.dir`), "" where DVC cannot tell."""
    # DVC's config takes a quarter of a second to import, and only sets of links need it.
    from dvc.config import Config, ConfigError

    try:
        config = Config(dvc_dir=str(repository / ".dvc"))
    except (ConfigError, OSError):
        return ""
    return config.get("cache", {}).get("dir") or str(repository / ".dvc" / "cache")
