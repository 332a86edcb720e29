"""A graph of neighbouring regions that grow together."""

from __future__ import annotations

import numpy as np


class RegionGraph:
    """Regions of a label image, what they hold, and the borders between them.

    Regions are numbered from 0; region 0 is the substrate. Everything kept about a region or a
    border adds up when regions merge (or is the least of both), so merging is a sum.

    Parameters
    ----------
    labels : (H, W) int array
        A region at every pixel, all numbers 0 to n − 1 present.
    values : (3, H, W) array
        Contrast.
    gradient : (H, W) array
        Its gradient.
    noise : float
        Of the gradient. Pixels count for a region's mean by 1 / (gradient² + 4 noise²), so that
        the plateau tells it and not the rim.
    """

    def __init__(
        self, labels: np.ndarray, values: np.ndarray, gradient: np.ndarray, noise: float
    ) -> None:
        self.region = np.arange(int(labels.max()) + 1)  # of every first region, where it is now
        self.count = len(self.region)
        inside = np.flatnonzero(labels.ravel())
        label = labels.ravel()[inside]
        slope = gradient.ravel()[inside]
        weight = 1 / (slope**2 + 4 * noise**2)
        self.area = np.bincount(label, minlength=self.count).astype(float)
        self.weight = np.bincount(label, weight, self.count)
        self.total = np.stack(
            [np.bincount(label, weight * v.ravel()[inside], self.count) for v in values], axis=1
        )
        self.weight[0] = 1e9 * max(self.weight.max(), 1)  # the substrate stays at contrast 0
        self.lowest = np.full(self.count, np.inf)
        np.minimum.at(self.lowest, label, slope)
        self.lowest[0] = 0.0
        self._find_borders(labels, gradient)

    def _find_borders(self, labels: np.ndarray, gradient: np.ndarray) -> None:
        first, second, height = [], [], []
        for one, other in (
            (np.s_[:, :-1], np.s_[:, 1:]),
            (np.s_[:-1], np.s_[1:]),
        ):
            at = np.nonzero(labels[one] != labels[other])
            first.append(labels[one][at])
            second.append(labels[other][at])
            height.append(np.maximum(gradient[one][at], gradient[other][at]))
        height = np.concatenate(height)
        ones = np.ones(len(height))
        self._set_borders(np.concatenate(first), np.concatenate(second), height, height, ones)

    def _set_borders(
        self,
        first: np.ndarray,
        second: np.ndarray,
        lowest: np.ndarray,
        total: np.ndarray,
        length: np.ndarray,
    ) -> None:
        """Keep one border per pair of regions: its lowest pass, summed gradient and length."""
        code = np.minimum(first, second).astype(np.int64) * self.count + np.maximum(first, second)
        order = np.argsort(code, kind="stable")
        order = order[first[order] != second[order]]
        code = code[order]
        start = np.flatnonzero(np.diff(code, prepend=-1))
        self.first, self.second = code[start] // self.count, code[start] % self.count
        if len(start):
            self.border_lowest = np.minimum.reduceat(lowest[order], start)
            self.border_total = np.add.reduceat(total[order], start)
            self.border_length = np.add.reduceat(length[order], start)
        else:
            self.border_lowest = self.border_total = self.border_length = np.zeros(0)

    @property
    def mean(self) -> np.ndarray:
        """Contrast of every region's plateau, (n, 3)."""
        return self.total / self.weight[:, None]

    @property
    def difference(self) -> np.ndarray:
        """Distance in contrast between the plateaus on both sides of every border."""
        mean = self.mean
        return np.linalg.norm(mean[self.first] - mean[self.second], axis=1)

    def least_border(self, key: np.ndarray) -> np.ndarray:
        """Return for every region its border of least `key`, or −1 where it has none."""
        region = np.concatenate([self.first, self.second])
        border = np.tile(np.arange(len(self.first)), 2)
        order = np.lexsort((key[border], region))
        start = np.flatnonzero(np.diff(region[order], prepend=-1))
        least = np.full(self.count, -1)
        least[region[order][start]] = border[order][start]
        return least

    def perimeter(self) -> np.ndarray:
        """Return the length of every region's border, in pixel sides."""
        return np.bincount(self.first, self.border_length, self.count) + np.bincount(
            self.second, self.border_length, self.count
        )

    def border_mean(self) -> np.ndarray:
        """Return the mean gradient along every region's border; 0 where it has none."""
        total = np.bincount(self.first, self.border_total, self.count) + np.bincount(
            self.second, self.border_total, self.count
        )
        return total / np.maximum(self.perimeter(), 1)

    def open_borders(self, which: np.ndarray) -> None:
        """Merge the regions on both sides of the borders in the bool array `which`."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        ends = (self.first[which], self.second[which])
        links = coo_array((np.ones(which.sum()), ends), shape=(self.count, self.count))
        count, now = connected_components(links, directed=False)
        lowest = np.full(count, np.inf)
        np.minimum.at(lowest, now, self.lowest)
        self.lowest = lowest
        self.area = np.bincount(now, self.area, count)
        self.weight = np.bincount(now, self.weight, count)
        self.total = np.stack([np.bincount(now, t, count) for t in self.total.T], axis=1)
        self.region, self.count = now[self.region], count
        borders = (self.border_lowest, self.border_total, self.border_length)
        self._set_borders(now[self.first], now[self.second], *borders)
