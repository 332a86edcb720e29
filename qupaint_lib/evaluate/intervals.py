"""How sure a figure is: intervals from resampled images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qupaint_lib.errors import ArgumentError

RESAMPLES, LEVEL = 1000, 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval.

    Attributes
    ----------
    value : float
        The figure; NaN where nothing was there to be measured.
    low, high : float
        Ends of the interval; NaN where none was asked for or none can be told.
    count : int
        How many cases it rests on: answers, claims, or flakes of the ground truth.
    """

    value: float
    low: float = np.nan
    high: float = np.nan
    count: int = 0


def bootstrap_interval(
    statistic: Callable[[np.ndarray], Any],
    groups: Sequence[Any] | np.ndarray,
    rng: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> tuple[Any, Any]:
    """Return the percentile interval of a statistic under resampling of whole images.

    Cases of one image are not independent of each other, so images are drawn with replacement, and
    all cases of an image are drawn with it.

    Parameters
    ----------
    statistic : callable
        Takes how often every case was drawn, (N,) float, and returns a float or an array (K,).
        Resamples in which it is NaN are left out.
    groups : (N,) sequence
        Which image every case is from; anything that can be sorted.
    rng : numpy.random.Generator
        The same state gives the same interval.
    resamples : int, optional
        At least 1.
    level : float, optional
        Probability that the interval is to hold, in (0, 1).

    Returns
    -------
    low, high : float, or array (K,)
        NaN where there is no case or no resample with a value.

    Raises
    ------
    ArgumentError
        No such number of resamples, level or generator.
    """
    if not isinstance(rng, np.random.Generator):
        raise ArgumentError("rng", type(rng).__name__, "a numpy.random.Generator")
    if resamples < 1:
        raise ArgumentError("resamples", resamples, "at least 1")
    if not 0 < level < 1:
        raise ArgumentError("level", level, "a probability in (0, 1)")
    groups = np.asarray(groups)
    if groups.ndim != 1:
        raise ArgumentError("groups", f"an array of shape {groups.shape}", "one name per case")
    names, group_of = np.unique(groups, return_inverse=True)
    if not len(names):
        empty = np.full(np.shape(statistic(np.zeros(0))), np.nan)[()]
        return empty, empty
    even = np.full(len(names), 1 / len(names))
    drawn = rng.multinomial(len(names), even, size=resamples).astype(np.float64)
    values = np.array([statistic(times[group_of]) for times in drawn], dtype=np.float64)
    ends = [(1 - level) / 2, (1 + level) / 2]
    columns = values.reshape(resamples, -1).T
    known = [column[~np.isnan(column)] for column in columns]
    pairs = [np.quantile(column, ends) if len(column) else (np.nan, np.nan) for column in known]
    low, high = np.array(pairs).T
    return (low, high) if values.ndim > 1 else (float(low[0]), float(high[0]))
