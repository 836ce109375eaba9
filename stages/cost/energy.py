"""The energy that a GPU has drawn, from NVIDIA's management library, where there is one. No package is needed."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

_LIBRARY = "libnvidia-ml.so.1"


class Meter:
    """Counts joules of torch's current CUDA device, all that runs on it included.

    NVML's total energy counter (nvmlDeviceGetTotalEnergyConsumption; Volta and newer, in millijoules since the driver
    was loaded) moves some ten to a hundred times a second: spans under a second are rough.
    """

    def __init__(self) -> None:
        self._library, self._device = _open()
        self._start = self._read()

    def restart(self) -> None:
        self._start = self._read()

    def joules(self) -> float | None:
        """Since restart(); None on a CPU and where the driver or the GPU does not count."""
        now = self._read()
        return None if now is None or self._start is None else (now - self._start) / 1000

    def _read(self) -> int | None:
        if self._library is None:
            return None
        value = ctypes.c_ulonglong()
        failed = self._library.nvmlDeviceGetTotalEnergyConsumption(
            self._device, ctypes.byref(value)
        )
        return None if failed else value.value


def _open() -> tuple[Any, Any]:
    """The library and the device's handle, or twice None."""
    if not torch.cuda.is_available():
        return None, None
    try:
        library = ctypes.CDLL(_LIBRARY)
        device = ctypes.c_void_p()
        # By its id: CUDA may number or hide devices otherwise than NVML.
        name = f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}".encode()
        failed = library.nvmlInit_v2() or library.nvmlDeviceGetHandleByUUID(
            name, ctypes.byref(device)
        )
    except (OSError, AttributeError):
        return None, None
    return (None, None) if failed else (library, device)
