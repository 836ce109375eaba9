"""Several processes that train one cell, each with a part of the batch and a GPU of its own, or on CPUs over gloo."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile

from mmengine.config import Config

from stages.program import InputError, Stopped
from stages.study.params import Study

# Where the processes find each other: a file of this user. torch's own way is a port that the whole network can reach,
# and what is sent there is unpickled.
MEETING = "DETECTION_MATRIX_MEETING"


def check(study: Study) -> None:
    """Raises InputError where there are GPUs and not one for each process: NCCL would say so after half a minute, in
    pages."""
    import torch

    wanted, gpus = study.training.processes, torch.cuda.device_count()
    if 0 < gpus < wanted:
        raise InputError(f"scales.{study.scale}.processes: {wanted} processes need a GPU each, and this machine has "
                         f"{gpus}; set it to {gpus}")


def launch(name: str, count: int) -> None:
    """Starts `count` times stages.train for cell `name`, as torchrun does, and waits. Exits with the first failure's
    status; that process has said why, unless it was killed, which raises InputError. Raises Stopped when told to stop,
    after the processes have saved and gone."""
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
            config = LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=count, max_restarts=0, run_id=name,
                                  rdzv_backend="c10d", rdzv_endpoint=f"{folder}/start",
                                  rdzv_configs={"store_type": "file"})
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
    # Somebody's own torchrun has said by variables where its processes meet.
    meeting = {"init_method": f"file://{os.environ[MEETING]}", "rank": int(os.environ["RANK"]),
               "world_size": int(os.environ["WORLD_SIZE"])} if MEETING in os.environ else {}
    if torch.cuda.is_available():
        cfg.env_cfg.dist_cfg = {"backend": "nccl", **meeting}
    else:
        # MMEngine's own start and its own wrapping both ask for a GPU.
        torch.distributed.init_process_group("gloo", **meeting)
        cfg.model_wrapper_cfg = {
            "type": "MMDistributedDataParallel", "broadcast_buffers": False, "device_ids": None}
