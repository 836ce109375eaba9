"""Finds images that must stay on one side of every split: those of one group, of the same bytes, of
the same looks."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from stages.data.probe import HASH_BITS

# Images per block of the distance matrix: 2048 x 2048 floats are 16 MiB.
_BLOCK = 2048


def look_alikes(hashes: Sequence[bytes], bits: int) -> np.ndarray:
    """(pairs, 2) rows i < j whose perceptual hashes differ in at most `bits` of HASH_BITS; b"" is
    like nothing.

    Every pair is compared. As matrix products: with bits as -1 and 1, the product is HASH_BITS - 2
    x distance.
    """
    rows = np.flatnonzero([len(entry) > 0 for entry in hashes])
    if len(rows) < 2:
        return np.empty((0, 2), dtype=np.int64)
    packed = np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(len(rows), -1)
    signs = np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1
    pairs = []
    starts = range(0, len(rows), _BLOCK)
    for start in tqdm(starts, "look-alikes", unit="block", delay=2, leave=False):
        block = signs[start : start + _BLOCK]
        for column_start in range(start, len(rows), _BLOCK):
            product = block @ signs[column_start : column_start + _BLOCK].T
            first, second = np.nonzero(product >= HASH_BITS - 2 * bits)
            block_pairs = np.stack([first + start, second + column_start], axis=1)
            pairs.append(block_pairs[block_pairs[:, 0] < block_pairs[:, 1]])
    return rows[np.concatenate(pairs)]


def same(values: Iterable[Hashable]) -> np.ndarray:
    """(pairs, 2) rows that link equal values in a chain; None and b"" are equal to nothing."""
    last: dict[Hashable, int] = {}
    pairs = []
    for row, value in enumerate(values):
        if value is None or value == b"":
            continue
        if value in last:
            pairs.append((last[value], row))
        last[value] = row
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def joined(images: int, *pairs: np.ndarray) -> np.ndarray:
    """(images,) the number of each image's group: images that `pairs` (n, 2) link directly or
    through others."""
    links = np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs])
    is_linked = np.ones(len(links), dtype=bool)
    graph = coo_matrix((is_linked, (links[:, 0], links[:, 1])), shape=(images, images))
    return connected_components(graph, directed=False)[1]
