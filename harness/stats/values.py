"""Scores as the statistics take them: checked arrays, and intervals as they give them back."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.errors import NumericError

__all__ = ["ALPHA", "CONFIDENCE", "RESAMPLES", "TIE", "FloatArray", "Interval", "checked_columns", "per_query"]

ALPHA = 0.05
"""The level of every test."""

CONFIDENCE = 0.95
"""The level of every interval."""

RESAMPLES = 10_000
TIE = 1e-9
"""Differences smaller than this are rounding: they count as none."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate, by default a mean over queries, with its 95 % interval."""

    mean: float
    low: float
    high: float


def per_query(values: npt.ArrayLike, what: str) -> FloatArray:
    """Return `values` as (queries, seeds), a single seed given as (queries,) or (queries, 1).

    Raises ValueError for another shape, NumericError for NaN or infinity; both name `what`.
    """
    return _checked(values, what, "seeds")


def checked_columns(values: npt.ArrayLike, what: str) -> FloatArray:
    """Return `values` as (queries, arms), one arm given as (queries,); raises like `per_query`."""
    return _checked(values, what, "arms")


def _checked(values: npt.ArrayLike, what: str, columns: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or 0 in array.shape:  # noqa: PLR2004
        message = f"{what} must have shape (queries, {columns}) with at least one of each, got {array.shape}"
        raise ValueError(message)
    if not np.isfinite(array).all():
        message = f"{what} holds {np.count_nonzero(~np.isfinite(array))} values that are not finite"
        raise NumericError(message)
    return array
