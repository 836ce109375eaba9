"""Answers the question whether mmcv has ops, for which mmcv and MMEngine call what Python 3.14
removed."""

import importlib.util
from types import SimpleNamespace

import mmcv.utils.ext_loader
import mmengine.utils.dl_utils.misc


def find_loader(name: str):
    """The loader of the module `name`, or None without such a module: as pkgutil.find_loader until
    Python 3.13."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    return spec.loader


def provide() -> None:
    """Let the two modules that call pkgutil.find_loader, and use nothing else of pkgutil, call
    ours.

    On every Python, so that all go the same way; pkgutil itself stays what it is for everybody
    else.
    """
    for caller in (mmcv.utils.ext_loader, mmengine.utils.dl_utils.misc):
        caller.pkgutil = SimpleNamespace(find_loader=find_loader)
