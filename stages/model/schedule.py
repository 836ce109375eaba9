"""The numbers of a cell's training that follow from its row and its scale; free of heavy imports."""

from __future__ import annotations

from stages.study.params import Cell, Study

# MMDetection states its learning rates for 8 GPUs with 2 images each (auto_scale_lr.base_batch_size in schedule_1x.py).
REFERENCE_BATCH = 16


def batch_size(cell: Cell, study: Study) -> int:
    """Images per optimizer step."""
    return cell.batch_size or study.training.batch_size


def device_batch(cell: Cell, study: Study) -> int:
    """Images in one pass of one process."""
    wanted = cell.device_batch if cell.device_batch is not None else study.training.device_batch
    share = batch_size(cell, study) // study.training.processes
    return min(wanted or share, share)


def passes(cell: Cell, study: Study) -> int:
    """Forward and backward passes whose gradients are summed to one optimizer step."""
    return batch_size(cell, study) // (device_batch(cell, study) * study.training.processes)


def epochs(cell: Cell, study: Study) -> int:
    """Passes over the training images."""
    return cell.epochs or study.training.epochs


def learning_rate(cell: Cell, study: Study) -> float:
    """The rate per step: linear in the batch (Goyal et al., arXiv:1706.02677) from REFERENCE_BATCH images."""
    return (cell.lr or study.training.lr[cell.optimizer]) * batch_size(cell, study) / REFERENCE_BATCH


def pixels(cell: Cell, study: Study) -> int:
    """The longer side that images are resized to."""
    return round(cell.image_size * study.training.image_scale)
