"""When a class or a size of boxes says too little to decide anything."""

from __future__ import annotations

# Fewer boxes than this are "thin". Not in metrics.py, which decides a training's bits: a threshold
# of the verdicts trains nothing again.
MIN_BOXES = 100
