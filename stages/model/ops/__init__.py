"""Importing this package makes mmdet run without a compiler: it stands in for mmcv's compiled
`mmcv._ext`.

mmdet imports `mmcv._ext`, which mmcv-lite does not have. After `import stages.model.ops` a module
built on torchvision.ops answers to that name, unless a compiled one can be imported: that one is
then left in charge. An MMDetection config asks for it with
`custom_imports = dict(imports=['stages.model.ops'])`. A program which imports mmdet.apis,
mmdet.datasets or mmdet.evaluation before it reads its config must import this package first, or be
started by `python -m stages.model.ops PROGRAM ARGUMENTS` (see __main__.py).

The same import makes CrowdAwareAssigner (crowds.py) known to MMDetection's configs.
"""

import importlib
import logging
import sys
from typing import Any

import mmcv
from mmengine.registry import TASK_UTILS

from . import loaders

NAME = "mmcv._ext"

log = logging.getLogger(__name__)


def install() -> None:
    """Put the stand-in where mmcv looks for its compiled ops; does nothing if ops are there
    already.

    A compiled `mmcv._ext` that exists but cannot be imported (built for another torch, say) is
    replaced too, with one warning that gives the import error.
    """
    try:
        importlib.import_module(NAME)
        return
    except ImportError as error:
        if not isinstance(error, ModuleNotFoundError) or error.name != NAME:
            reason = str(error).splitlines()[0]
            message = "compiled %s cannot be imported (%s): torchvision ops are used instead"
            log.warning(message, NAME, reason)
    extension = importlib.import_module(".extension", __name__)
    sys.modules[NAME] = extension
    # The import system sets a submodule's attribute on its package only for modules which it loads
    # itself.
    mmcv._ext = extension


@TASK_UTILS.register_module(name="CrowdAwareAssigner")
def crowd_aware_assigner(**settings: Any) -> Any:
    """The assigner of crowds.py, which is imported when a model asks for it: mmdet needs the ops
    before."""
    from stages.model.ops.crowds import CrowdAwareAssigner

    return CrowdAwareAssigner(**settings)


install()
loaders.provide()
