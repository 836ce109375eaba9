"""A process of a training: its CPU threads, and its part where there are several, on GPUs over NCCL
or on CPUs over gloo."""

from __future__ import annotations

import os

import torch
from mmengine.config import Config

from stages import machine

# Where the processes find each other: a file of this user. torch's own way is a port that the whole
# network can reach, and what is sent there is unpickled.
MEETING = "DETECTION_MATRIX_MEETING"


def join(cfg: Config) -> None:
    """Makes `cfg` one process's part of a training by several."""
    cfg.launcher = "pytorch"
    # One thread for each unless somebody asked for more; MMEngine would warn in every process.
    os.environ.setdefault("MKL_NUM_THREADS", "1")
    meeting = {}
    # Somebody's own torchrun has said by variables where its processes meet.
    if MEETING in os.environ:
        meeting = {
            "init_method": f"file://{os.environ[MEETING]}",
            "rank": int(os.environ["RANK"]),
            "world_size": int(os.environ["WORLD_SIZE"]),
        }
    if torch.cuda.is_available():
        cfg.env_cfg.dist_cfg = {"backend": "nccl", **meeting}
        return
    # MMEngine's own start and its own wrapping both ask for a GPU.
    torch.distributed.init_process_group("gloo", **meeting)
    cfg.model_wrapper_cfg = {
        "type": "MMDistributedDataParallel",
        "broadcast_buffers": False,
        "device_ids": None,
    }


def use_threads(count: int) -> None:
    """CPU threads for torch in this process, which decide how sums are split and so the last bits of
    a training; 0: as many as torch takes.

    But no more than the process may keep busy: torch counts the cores of a container's host.
    """
    torch.set_num_threads(count or min(torch.get_num_threads(), machine.cpus()))
