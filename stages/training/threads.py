"""CPU threads of a process: how sums are split over them decides the last bits of a training."""

from __future__ import annotations

import torch

from stages import machine


def use(count: int) -> None:
    """CPU threads for torch in this process; 0: as many as torch takes.

    But no more than the process may keep busy: torch counts the cores of a container's host.
    """
    torch.set_num_threads(count or min(torch.get_num_threads(), machine.cpus()))
