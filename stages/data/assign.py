"""Divides images into parts that are alike in every stratum (a class, a size of box) without
cutting a group.

The cost of a division is chi-square-like: over parts k of wanted share p_k and strata s with N_s
boxes in all, sum (n_ks - p_k N_s)^2 / (p_k N_s), the number of images being one more stratum. The
bounds of a part's number of images come before it, and after them that no part lacks a stratum.
Groups are placed one by one, the rarest stratum first (iterative stratification: Sechidis,
Tsoumakas, Vlahavas, "On the stratification of multi-label data", 2011); then exchanges between
parts lower the cost, with random disturbances to leave local minima (Lourenço, Martin, Stützle,
"Iterated local search", 2003).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

import numpy as np
from threadpoolctl import threadpool_limits

from stages.study.counts import count

# Groups on each side of one table of exchanges: all of a small set, a sample of a larger one.
_BLOCK = 256
_TABLES = 4000  # looked at in all
_DRY_TABLES = 15  # samples in a row without a gain that end a descent
_DRY_KICKS = 3  # disturbances in a row without a gain that end the search; more in a small set
_KICK = 5  # groups thrown to random parts by one disturbance
# Of a part's wanted number of images: what it may have more or fewer for the sake of the strata.
_TOLERANCE = 0.05


def assign(
    counts: np.ndarray, groups: np.ndarray, shares: Sequence[float], seed: int
) -> np.ndarray:
    """Part (an index into `shares`) of every image, shape (images,).

    counts: (images, strata) numbers of boxes, integers, per class or any other stratum such as a
    size. groups: (images,) integers; images of one group get one part. shares: the wanted share of
    each part, positive, of sum 1.

    As far as the search can reach, each part has its share of the images within bounds(); within
    them, no part lacks a stratum that occurs in at least as many groups as there are parts; and the
    rest is decided by the cost. One seed gives one division on every machine. Raises ValueError
    where there are fewer groups than parts, and on other forms of arguments.
    """
    counts, groups, share = np.asarray(counts), np.asarray(groups), np.asarray(shares, dtype=float)
    fit = counts.ndim == 2 and groups.shape == counts.shape[:1]
    if not fit or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError(
            f"counts {counts.shape} are not numbers of boxes per stratum of {groups.shape} images"
        )
    if share.ndim != 1 or not (share > 0).all() or abs(share.sum() - 1) > 1e-6:
        raise ValueError(f"shares {share.tolist()} are not positive numbers of sum 1")
    # The last rows are an empty group in every part: exchanging a group with it is a move.
    group, boxes = content_of_groups(counts, groups, empty=len(share))
    total = len(boxes) - len(share)
    if total < len(share):
        raise ValueError(
            f"{count(total, 'groups')} of images cannot be divided into {len(share)} parts"
        )
    search = _Search(boxes, share, np.random.default_rng(seed))
    # The products are small: threads would spend twice their time on waiting for each other.
    with threadpool_limits(1):
        parts = search.run()[group]
        # Most sets keep within the bounds by themselves, and heeding them takes half as long again.
        if search.outside(np.bincount(parts, minlength=len(share))).any():
            parts = _Search(boxes, share, np.random.default_rng(seed), bounded=True).run()[group]
    return parts


def content_of_groups(
    counts: np.ndarray,
    groups: np.ndarray,
    empty: int = 0,
    kind: type[np.floating] = np.float64,
) -> tuple[np.ndarray, np.ndarray]:
    """(images,) numbers of the images' groups from 0, and (groups, 1 + strata) their numbers of
    images and of boxes in each stratum that occurs, as `kind`; `empty` groups without images come
    last. counts, groups: as in assign()."""
    names, group = np.unique(groups, return_inverse=True)
    strata = np.flatnonzero(counts.any(axis=0))
    content = np.zeros((len(names) + empty, 1 + len(strata)), dtype=kind)
    content[: len(names), 0] = np.bincount(group)
    for column, stratum in enumerate(strata, start=1):
        content[: len(names), column] = np.bincount(group, weights=counts[:, stratum])
    return group, content


def bounds(images: int, groups: int, shares: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest number of images that each part is to have, (parts,) each.

    A part may miss its share by a twentieth of it, one image at least, and by what a group has over
    one image on the average: whole groups allow no finer division.
    """
    wanted = images * np.asarray(shares, dtype=float)
    margin = np.maximum(1, _TOLERANCE * wanted) + images / groups - 1
    # Products such as 0.15 * 40 are a bit off.
    low = np.ceil(wanted - margin - 1e-9)
    return np.maximum(1, low), np.floor(wanted + margin + 1e-9)


class _Search:
    """A division of groups into parts, and the exchanges that improve it.

    As the parts add up to the whole, the cost is sum n_ks^2 / (p_k N_s) less a constant, so no
    target is needed. Its weights 1 / N_s are integers in a unit that keeps every inner product
    below 2^53 (up to some 10^7 boxes): sums are exact in any order, and no BLAS or processor can
    turn a tie another way.
    """

    def __init__(
        self, boxes: np.ndarray, share: np.ndarray, rng: np.random.Generator, bounded: bool = False
    ) -> None:
        parts = len(share)
        self.rng, self.boxes, self.bounded = rng, boxes, bounded
        self.inverse = 1 / share
        self.groups = len(boxes) - parts
        self.part = np.concatenate([np.zeros(self.groups, dtype=int), np.arange(parts)])
        self.total = np.zeros((boxes.shape[1], parts))
        self.tables = 0
        whole = boxes.sum(axis=0)
        unit = 2.0**50 / whole.sum()
        self.weight = np.maximum(np.rint(unit / whole), 1)
        self.square = np.einsum("gs,gs,s->g", boxes, boxes, self.weight)
        self.most, self.spread = boxes.max(axis=0), np.count_nonzero(boxes, axis=0)
        # Strata that no part should lack.
        self.due = self.spread >= parts
        # Above the largest cost: presence outweighs any imbalance.
        self.price = 2.0**52 * self.inverse.max()
        # Above the price of all that can be lacking: the bounds outweigh presence.
        self.toll = self.price * parts * boxes.shape[1]
        self.low, self.high = bounds(int(whole[0]), self.groups, share)
        # Above all that can be outside of the bounds.
        self.empty = 2 * whole[0] ** 2 * self.inverse.max()
        # A millionth of the cost's 1, well above what dividing by the shares rounds away.
        self.least = 1e-6 * unit

    def run(self) -> np.ndarray:
        self.place()
        self.descend()
        best, best_cost, dry = self.part.copy(), self.cost(), 0
        # Tables of a small set are cheap, and it is there that a descent ends by chance.
        patience = _DRY_KICKS + 2 * _BLOCK // self.groups
        # What cost() names first. What a part lacks within its bounds is mostly more than they have
        # room for.
        first = 0 if self.bounded else 1
        while self.tables < _TABLES:
            rounds = patience
            if best_cost[first]:
                rounds = 10 * patience
            if dry >= rounds:
                break
            for group in self.rng.integers(self.groups, size=_KICK):
                self.put(group, self.rng.integers(len(self.inverse)))
            self.descend()
            dry += 1
            outside, lacking, cost = self.cost()
            if (outside, lacking, cost + self.least) < best_cost:
                best, best_cost, dry = self.part.copy(), (outside, lacking, cost), 0
            elif (outside, lacking, cost) > best_cost:
                for group in np.flatnonzero(self.part != best):
                    self.put(group, best[group])
        return best[: self.groups]

    def cost(self) -> tuple[float, int, float]:
        """How far parts are outside of their bounds, how many strata they lack, and the cost."""
        lacking = int(np.count_nonzero(self.total[self.due] == 0))
        cost = math.fsum((self.weight @ np.square(self.total) * self.inverse).tolist())
        outside = 0.0
        if self.bounded:
            outside = math.fsum(self.outside(self.total[0]).tolist())
        return outside, lacking, cost

    def outside(self, images: np.ndarray, part: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Squares of the images that parts have too many or too few, over their shares."""
        far = np.maximum(self.low[part] - images, images - self.high[part])
        empty = np.where(images == 0, self.empty, 0.0)
        return np.square(np.maximum(far, 0)) * self.inverse[part] + empty

    def put(self, group: int, part: int) -> None:
        self.total[:, self.part[group]] -= self.boxes[group]
        self.total[:, part] += self.boxes[group]
        self.part[group] = part

    def place(self) -> None:
        """Puts every group where it raises the cost least; rare strata go first, while every part
        has room for them.

        In Python's own numbers: an image has few strata, and arrays of so few take five times as
        long.
        """
        row, column = np.nonzero(self.boxes)
        value = self.boxes[row, column]
        pull = 2 * value * self.weight[column]
        # Of a group, and behind the last one: where its strata begin.
        start = np.searchsorted(row, np.arange(self.groups + 1))
        rarity = self.spread.argsort(kind="stable").argsort()
        # reduceat needs slices that are not empty: every group has images.
        rarest = np.minimum.reduceat(rarity[column], start[:-1])
        shuffled = self.rng.permutation(self.groups)
        order = shuffled[np.lexsort((-self.square[shuffled], rarest[shuffled]))]
        # Part -> its boxes per stratum.
        total, due = self.total.T.tolist(), self.due.tolist()
        inverse, square, begins = self.inverse.tolist(), self.square.tolist(), start.tolist()
        lacking = len(total) * due.count(True)
        for group in order.tolist():
            own = slice(begins[group], begins[group + 1])
            strata, boxes, weights = column[own].tolist(), value[own].tolist(), pull[own].tolist()
            rise = []
            for part, numbers in enumerate(total):
                present = [numbers[stratum] for stratum in strata]
                cost = (square[group] + sum(map(mul, weights, present))) * inverse[part]
                if lacking:
                    absent = sum(due[stratum] and not numbers[stratum] for stratum in strata)
                    cost -= self.price * absent
                # No part is filled over its bound while another has room.
                if self.bounded and numbers[0] + boxes[0] > self.high[part]:
                    cost += self.toll
                rise.append(cost)
            part = self.part[group] = rise.index(min(rise))
            numbers = total[part]
            for stratum, number in zip(strata, boxes):
                if lacking:
                    lacking -= due[stratum] and not numbers[stratum]
                numbers[stratum] += number
        self.total[:] = np.array(total).T

    def descend(self) -> None:
        """Makes the best exchange of one table after another until they stop showing a gain."""
        every = np.arange(len(self.part))
        # One table has all groups of a small set.
        enough = 1 if self.groups <= _BLOCK else _DRY_TABLES
        dry = 0
        while dry < enough and self.tables < _TABLES:
            self.tables += 1
            rows, columns = every[: self.groups], every
            if self.groups > _BLOCK:
                rows, columns = self.rng.integers(self.groups, size=(2, _BLOCK))
                columns = np.append(columns, every[self.groups :])
            change = self.changes(rows, columns)
            row, column = np.unravel_index(change.argmin(), change.shape)
            if change[row, column] > -self.least:
                dry += 1
                continue
            dry = 0
            first, second = rows[row], columns[column]
            first_part, second_part = self.part[first], self.part[second]
            self.put(first, second_part)
            if second < self.groups:
                self.put(second, first_part)

    def changes(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Change of the cost by exchanging g of `rows` (in part a) with h of `columns` (in part b),
        (rows, columns).

        With u = x_h - x_g it is (2 n_a u + u^2) / p_a + (u^2 - 2 n_b u) / p_b, all products
        weighted.
        """
        a, b = self.part[rows], self.part[columns]
        x, y = self.boxes[rows], self.boxes[columns]
        x_weighted, y_weighted = 2 * self.weight * x, 2 * self.weight * y
        x_total = x_weighted @ self.total * self.inverse
        y_total = y_weighted @ self.total * self.inverse
        x_own = x_total[np.arange(len(rows)), a][:, None]
        y_own = y_total[np.arange(len(columns)), b]
        # Groups of one part are not exchanged.
        y_total[np.arange(len(columns)), b] = np.inf
        # In place: the tables are large, and most of the time goes into reading and writing them.
        change = -x_weighted @ y.T
        change += self.square[rows][:, None]
        change += self.square[columns]
        change *= self.inverse[a][:, None] + self.inverse[b]
        for table, own in ((y_total.T[a], x_own), (np.take(x_total, b, axis=1), y_own)):
            table -= own
            change += table
        scarce = self.due & (self.total.min(axis=1) <= self.most)
        if scarce.any():
            total, x, y = self.total[scarce].T, x[:, scarce], y[:, scarce]
            lacking = (total == 0).sum(axis=1)
            # A part lacks afterwards what neither the groups it keeps nor the one it gets have.
            a_lacks = (total[a] == x).astype(float) @ (y == 0).T
            b_lacks = (x == 0).astype(float) @ (total[b] == y).T
            change += self.price * (a_lacks + b_lacks - lacking[a][:, None] - lacking[b])
        if self.bounded:
            images = self.total[0]
            more = self.boxes[columns, 0] - self.boxes[rows, 0][:, None]
            outside = self.outside(images)
            a_change = self.outside(images[a][:, None] + more, a[:, None]) - outside[a][:, None]
            b_change = self.outside(images[b] - more, b) - outside[b]
            change += self.toll * (a_change + b_change)
        return change
