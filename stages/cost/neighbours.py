"""How busy the other processes of this machine are, by Linux's own account: whoever times something
has to say so."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

_ACCOUNT = Path("/proc/stat")
# Of its first line, in ticks of all cores together (man 5 proc_stat): user nice system idle iowait
# irq softirq steal. The guests after them are part of user and nice; what waits for a disk uses no
# core.
_FIELDS, _IDLE = 8, (3, 4)


class Neighbours:
    """Counts from restart() on what others took of the machine's cores, a hypervisor's other guests
    (steal) too."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._start, self._own = _ticks(), time.process_time()

    def share(self) -> float | None:
        """Of all cores, in [0, 1]. None on a GPU, whose other users this does not see, where there
        is no Linux, and within the first tick, a hundredth of a second."""
        now = _ticks()
        if now is None or self._start is None or torch.cuda.is_available():
            return None
        spent = [end - start for end, start in zip(now, self._start, strict=True)]
        total = sum(spent)
        busy = total - sum(spent[index] for index in _IDLE)
        own = (time.process_time() - self._own) * os.sysconf("SC_CLK_TCK")
        if total <= 0:
            return None
        return min(1.0, max(0.0, (busy - own) / total))


def _ticks() -> list[int] | None:
    try:
        line = _ACCOUNT.read_text(encoding="ascii").split("\n", 1)[0]
        return [int(ticks) for ticks in line.split()[1 : 1 + _FIELDS]]
    except (OSError, ValueError):
        return None
