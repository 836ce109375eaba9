"""The part of the training images that a row with a train_share learns from."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def beginning(ordered: Sequence[Sequence[int]], share: float) -> list[int]:
    """The ids of the first groups of images, as near to `share` of all as whole groups allow, one
    group at least. ordered: of data/prepared/order.json, which stages/data/subsets.py makes."""
    wanted = share * sum(map(len, ordered))
    ids: list[int] = []
    for members in ordered:
        more = len(ids) + len(members)
        if ids and abs(more - wanted) > abs(len(ids) - wanted):
            break
        ids += members
    return sorted(ids)


def positions(
    learnt: Sequence[int], ordered: Sequence[Sequence[int]], share: float
) -> list[int] | None:
    """Where the images of the share stand among those that CocoDataset keeps, for its `indices`;
    None where that is all. learnt: their ids in the order of the annotation file."""
    if share >= 1:
        return None
    subset: Collection[int] = set(beginning(ordered, share))
    return [position for position, image in enumerate(learnt) if image in subset]
