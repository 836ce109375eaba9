"""Several processes that train one cell, each with a part of the batch and a GPU of its own, or on CPUs over gloo."""

from __future__ import annotations

import logging
import os
import signal
import sys

from mmengine.config import Config

from stages.program import InputError, Stopped


def launch(name: str, count: int) -> None:
    """Starts `count` times stages.train for cell `name`, as torchrun does, and waits. Exits with the first failure's
    status; that process has said why, unless it was killed, which raises InputError. Raises Stopped when told to stop,
    after the processes have saved and gone."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # Its tables and tracebacks would bury the one line that a person can act on.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=count, max_restarts=0, rdzv_backend="c10d",
                          rdzv_endpoint="localhost:0", run_id=name)
    try:
        elastic_launch(config, sys.executable)("-m", "stages.train", name)
    except SignalException as stop:
        raise Stopped(int(stop.sigval), "") from None
    except ChildFailedError as error:
        status = error.get_first_failure()[1].exitcode
        if status < 0:
            raise InputError(f"{name}: one of its {count} processes was killed by {signal.Signals(-status).name}; the "
                             "same command goes on from the last state") from None
        sys.exit(status)


def join(cfg: Config) -> None:
    """Makes `cfg` one process's part of a training by several."""
    import torch

    cfg.launcher = "pytorch"
    # One thread for each unless somebody asked for more; MMEngine would warn in every process.
    os.environ.setdefault("MKL_NUM_THREADS", "1")
    if torch.cuda.is_available():
        cfg.env_cfg.dist_cfg = {"backend": "nccl"}
    else:
        # MMEngine's own start and its own wrapping both ask for a GPU.
        torch.distributed.init_process_group("gloo")
        cfg.model_wrapper_cfg = {
            "type": "MMDistributedDataParallel", "broadcast_buffers": False, "device_ids": None}
