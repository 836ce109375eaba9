"""Which images belong together: the threshold of look-alikes, equal values, and chains of both."""

from __future__ import annotations

import numpy as np
import pytest

from stages.data import groups
from stages.data.groups import equal_pairs, linked_groups, look_alikes
from stages.data.probe import HASH_BITS


def hashes(*distances: int) -> list[bytes]:
    """A hash, and others that differ from it in so many of their bits, from the first one on."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, HASH_BITS)
    found = []
    for distance in distances:
        bits = first.copy()
        bits[:distance] ^= 1
        found.append(np.packbits(bits.astype(np.uint8)).tobytes())
    return found


@pytest.mark.parametrize("bits", [0, 1, 60, 127])
def test_the_threshold_of_look_alikes_holds(bits):
    assert look_alikes(hashes(0, bits), bits).tolist() == [[0, 1]]
    assert look_alikes(hashes(0, bits + 1), bits).tolist() == []
    # From each other the first and the last differ in twice as many.
    apart = look_alikes(hashes(0, bits, 2 * bits), bits).tolist()
    assert apart == ([[0, 1], [0, 2], [1, 2]] if bits == 0 else [[0, 1], [1, 2]])


def test_every_pair_is_compared_across_blocks(monkeypatch):
    monkeypatch.setattr(groups, "_BLOCK", 2)
    found = look_alikes([b"", *hashes(0, 100, 3, 103, 200)], 10)
    # Rows count images without pixels too.
    assert sorted(found.tolist()) == [[1, 3], [2, 4]]
    assert look_alikes([b"", *hashes(0)], 10).tolist() == look_alikes([], 10).tolist() == []


def test_equal_values_are_linked_in_a_chain_and_nothing_is_equal_to_nothing():
    assert equal_pairs(["a", None, "b", "a", b"", None, b"", "a"]).tolist() == [[0, 3], [3, 7]]
    assert equal_pairs([]).shape == (0, 2)


def test_images_that_are_linked_through_others_are_one_group():
    joined = linked_groups(6, np.array([[0, 3]]), np.array([[3, 5], [1, 2]]))
    members = [np.flatnonzero(joined == number).tolist() for number in range(joined.max() + 1)]
    assert sorted(members) == [[0, 3, 5], [1, 2], [4]]
    assert linked_groups(3, equal_pairs([])).tolist() == linked_groups(3).tolist() == [0, 1, 2]
