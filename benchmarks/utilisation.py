"""How busy the GPU is, as its driver says."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import threading

EVERY_MS = 200


class Utilisation:
    """Samples from its making to stop()."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._process: subprocess.Popen | None = None
        if shutil.which("nvidia-smi") is not None:
            self._process = subprocess.Popen(
                [
                    "nvidia-smi",
                    "--query-gpu=utilization.gpu",
                    "--format=csv,noheader,nounits",
                    f"--loop-ms={EVERY_MS}",
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self._thread = threading.Thread(target=self._read, daemon=True)
            self._thread.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            # A line per GPU; "[N/A]" where the driver does not know.
            if line.strip().isdecimal():
                self._values.append(float(line))

    def stop(self) -> float | None:
        """The median in percent of the samples in which it did anything; None without a GPU."""
        if self._process is None:
            return None
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        values = [value for value in self._values if value > 0]
        return statistics.median(values) if values else None
