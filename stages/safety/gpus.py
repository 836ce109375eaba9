"""Whether this machine has the GPUs that a scale asks for."""

from __future__ import annotations

from stages.errors import InputError
from stages.study.params import Study


def check_gpus(study: Study) -> None:
    """Raises InputError for what this machine cannot do: amp without a GPU, or fewer GPUs than
    processes, where there are some. NCCL would say so after half a minute, in pages."""
    import torch

    wanted, count = study.training.processes, torch.cuda.device_count()
    if study.training.amp != "none" and not count:
        raise InputError(
            f"scales.{study.scale}.amp: {study.training.amp} needs a GPU, and there is none; "
            "set it to none"
        )
    if 0 < count < wanted:
        raise InputError(
            f"scales.{study.scale}.processes: {wanted} processes need a GPU each, and this machine "
            f"has {count}; set it to {count}"
        )
