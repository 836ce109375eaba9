"""Which of the stale cells are trained for some steps, to show for all that the code makes the same
bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from stages.acceptance.stale import Stale

Feature = tuple[str, ...]


def features(stale: Stale) -> set[Feature]:
    """What a trial of the cell shows for other cells: its detector with its optimizer, the class of
    its backbone, on which hooks of ours depend, each hook that its file names, and whether an
    optimizer step sums several passes; all of the code that trained it."""
    code = stale.record["code_digest"]
    training = stale.cell.training
    names = {(code, training["detector"], training["optimizer"])}
    names.add((code, stale.cell.config.model.backbone.type))
    for hook in stale.cell.config.get("custom_hooks", ()):
        names.add((code, hook["type"]))
    if training["batch_size"] > training["device_batch"] * training["processes"]:
        names.add((code, "sums passes"))
    return names


def choose(cells: Sequence[Stale]) -> list[Stale]:
    """Few small cells that have each feature of `cells` between them: for the rarest feature the
    smallest cell that has it, and so on with what is still missing."""
    counts = Counter()
    for cell in cells:
        counts.update(features(cell))
    chosen: list[Stale] = []
    covered: set[Feature] = set()
    for feature in sorted(counts, key=lambda feature: (counts[feature], feature)):
        if feature not in covered:
            cell = min((cell for cell in cells if feature in features(cell)), key=_size)
            chosen.append(cell)
            covered |= features(cell)
    return chosen


def _size(stale: Stale) -> int:
    return stale.record["parameters"] * stale.cell.training["image_size"] ** 2
