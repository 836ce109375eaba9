"""Starts several processes that train one cell, each with a part of the batch and a GPU of its own,
or on CPUs."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile

from stages.errors import InputError
from stages.program import Stopped
from stages.study.params import Study
from stages.training.processes import MEETING


def check(study: Study) -> None:
    """Raises InputError for what this machine cannot do: amp without a GPU, or fewer GPUs than
    processes, where there are some. NCCL would say so after half a minute, in pages."""
    import torch

    wanted, gpus = study.training.processes, torch.cuda.device_count()
    if study.training.amp != "none" and not gpus:
        raise InputError(
            f"scales.{study.scale}.amp: {study.training.amp} needs a GPU, and there is none; "
            "set it to none"
        )
    if 0 < gpus < wanted:
        raise InputError(
            f"scales.{study.scale}.processes: {wanted} processes need a GPU each, and this machine "
            f"has {gpus}; set it to {gpus}"
        )


def launch(name: str, count: int) -> None:
    """Starts `count` times stages.train for cell `name`, as torchrun does, and waits. Exits with
    the first failure's status; that process has said why, unless it was killed, which raises
    InputError. Raises Stopped when told to stop, after the processes have saved and gone."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # Its tables and tracebacks would bury the one line that a person can act on.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    if sys.platform.startswith("linux"):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")
    try:
        with tempfile.TemporaryDirectory(prefix="detection-matrix-") as folder:
            os.environ[MEETING] = f"{folder}/group"
            config = LaunchConfig(
                min_nodes=1,
                max_nodes=1,
                nproc_per_node=count,
                max_restarts=0,
                run_id=name,
                rdzv_backend="c10d",
                rdzv_endpoint=f"{folder}/start",
                rdzv_configs={"store_type": "file"},
            )
            elastic_launch(config, sys.executable)("-m", "stages.train", name)
    except SignalException as stop:
        raise Stopped(int(stop.sigval), "") from None
    except ChildFailedError as error:
        status = error.get_first_failure()[1].exitcode
        if status < 0:
            raise InputError(
                f"{name}: one of its {count} processes was killed by "
                f"{signal.Signals(-status).name}; the same command resumes from the last state"
            ) from None
        sys.exit(status)
