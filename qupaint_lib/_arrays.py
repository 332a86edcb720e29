"""What every numeric room shares: NumPy or torch by the kind of the input, and plain checks."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from qupaint_lib.errors import ArgumentError


def namespace(*values: object) -> Any:
    """Return the module ``torch`` when a value is a tensor, else ``numpy``; imports neither."""
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(value, torch.Tensor) for value in values):
        return torch
    return np


def is_torch(xp: Any) -> bool:
    """Tell whether an array namespace is torch."""
    return xp is not np


def as_float(xp: Any, value: Any, like: Any = None) -> Any:
    """Return `value` as a float64 array of the namespace, on the device of `like`."""
    return _as(xp, value, xp.float64, like)


def as_complex(xp: Any, value: Any, like: Any = None) -> Any:
    """Return `value` as a complex128 array of the namespace, on the device of `like`."""
    return _as(xp, value, xp.complex128, like)


def _as(xp: Any, value: Any, dtype: Any, like: Any) -> Any:
    if not is_torch(xp):
        try:
            return np.asarray(value, dtype=dtype)
        except (TypeError, ValueError) as error:
            raise ArgumentError("array", value, f"numbers: {error}") from None
    if isinstance(value, np.ndarray) and not value.flags.writeable:
        value = value.copy()  # torch would share the memory, and write to it
    source = value if is_torch(namespace(value)) else like
    return xp.as_tensor(value, dtype=dtype, device=getattr(source, "device", None))


def to_numpy(value: Any) -> np.ndarray:
    """Return the numbers of an array of either kind, without their gradients."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def check_finite(argument: str, value: Any, *, minimum: float | None = None) -> None:
    """Refuse NaN, infinities and numbers under `minimum`.

    Raises
    ------
    ArgumentError
        Names the argument, the first offending number and what is allowed.
    """
    if type(value) is float and math.isfinite(value) and (minimum is None or value >= minimum):
        return
    allowed = "finite numbers" if minimum is None else f"finite numbers of at least {minimum:g}"
    array = to_numpy(value)
    wrong = ~np.isfinite(array)
    if minimum is not None:
        wrong |= array < minimum
    if wrong.any():
        raise ArgumentError(argument, array[wrong].flat[0].item(), f"allowed are {allowed}")


def check_triplets(argument: str, value: Any) -> None:
    """Refuse arrays whose last axis does not hold three channels."""
    if value.ndim == 0 or value.shape[-1] != 3:
        raise ArgumentError(argument, tuple(value.shape), "the last axis holds three channels")
