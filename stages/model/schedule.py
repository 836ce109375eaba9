"""The numbers of a cell's training that follow from its row and its scale; free of heavy
imports."""

from __future__ import annotations

import math
from fractions import Fraction

from stages.study.params import Cell, Study

# MMDetection states its learning rates for 8 GPUs with 2 images each (auto_scale_lr.base_batch_size
# in schedule_1x.py).
REFERENCE_BATCH = 16
# A warm-up takes no more of the steps before the rate first falls: most of them are then made at
# the full rate.
WARMUP_SHARE = Fraction(1, 3)


def batch_size(cell: Cell, study: Study) -> int:
    """Images per optimizer step."""
    return cell.batch_size or study.training.batch_size


def device_batch(cell: Cell, study: Study) -> int:
    """Images in one pass of one process."""
    wanted = cell.device_batch
    if wanted is None:
        wanted = study.training.device_batch
    share = batch_size(cell, study) // study.training.processes
    return min(wanted or share, share)


def passes(cell: Cell, study: Study) -> int:
    """Forward and backward passes whose gradients are summed to one optimizer step."""
    return batch_size(cell, study) // (device_batch(cell, study) * study.training.processes)


def epochs(cell: Cell, study: Study) -> int:
    """Passes over the training images."""
    return cell.epochs or study.training.epochs


def first_validation(cell: Cell, study: Study) -> int:
    """The first epoch that is scored; the last one always is."""
    return min(study.training.first_validation, epochs(cell, study))


def validations(cell: Cell, study: Study) -> int:
    """How many epochs are scored."""
    return epochs(cell, study) - first_validation(cell, study) + 1


def learning_rate(cell: Cell, study: Study) -> float:
    """The rate per step: linear in the batch (Goyal et al., arXiv:1706.02677) from REFERENCE_BATCH
    images."""
    lr = cell.lr or study.training.lr[cell.optimizer]
    return lr * batch_size(cell, study) / REFERENCE_BATCH


def passes_per_epoch(cell: Cell, study: Study, images: int) -> int:
    """Passes of one process over its share of `images` training images; the last one may be
    smaller."""
    share = math.ceil(images / study.training.processes)
    return math.ceil(share / device_batch(cell, study))


def steps(cell: Cell, study: Study, images: int, last: int | None = None) -> int:
    """Optimizer steps of `last` epochs, by default of the whole training."""
    if last is None:
        last = epochs(cell, study)
    return last * passes_per_epoch(cell, study, images) // passes(cell, study)


def warmup(cell: Cell, study: Study, images: int | None) -> int:
    """Optimizer steps over which the rate rises: warmup_iterations, cut to WARMUP_SHARE of the
    steps before the rate first falls. Longer, and a short training would end before it has reached
    its rate. images: None where their number is not known, and nothing is cut."""
    wanted = study.training.warmup_iterations
    if images is None:
        return wanted
    falls = [*study.training.milestones, epochs(cell, study)]
    limit = int(steps(cell, study, images, falls[0]) * WARMUP_SHARE)
    if wanted <= limit:
        return wanted
    # Over a single step the rate does not rise.
    if limit <= 1:
        return 0
    return limit


def warmup_note(cell: Cell, study: Study, images: int) -> str:
    """What a person must know of a warm-up that was cut; "" where it is as params.yaml says."""
    wanted, cut = study.training.warmup_iterations, warmup(cell, study, images)
    if cut == wanted:
        return ""
    return (
        f"{images} training images make {steps(cell, study, images)} steps, too few for a warm-up "
        f"of {wanted}; it takes {cut} (scales.{study.scale}.warmup_iterations)"
    )


def pixels(cell: Cell, study: Study) -> int:
    """The longer side that images are resized to."""
    return round(cell.image_size * study.training.image_scale)
