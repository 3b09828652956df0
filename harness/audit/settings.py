"""The parameter that makes a strategy stricter or milder, and the values worth trying on a pool."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from harness.mining.base import Miner, Pool
from harness.parameters import parameters
from harness.registry import MINERS

__all__ = ["CONTROLS", "STRICTNESS", "parameters_of", "registered_name", "settings", "strictness", "with_value"]

CONTROLS = ("oracle", "random", "random_removal")
"""Strategies that are bounds to compare with, not ways to mine."""

STRICTNESS = ("share", "margin", "threshold", "quantile", "removal", "shift", "start")
"""Parameters that a curve can be drawn over; of several that a miner has, the first that is set."""

_SHARES = (0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0, 1.05)
_QUANTILES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_REMOVALS = (
    0.0,
    0.005,
    0.01,
    0.02,
    0.03,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.9,
    0.95,
    0.97,
    0.98,
    0.99,
)
_RANKS = (0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 70)
_REFUSED = (0.0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def registered_name(miner: Miner) -> str:
    """Return the name that the miner's class is registered by, or the class's own."""
    return next((entry.name for entry in MINERS if entry.factory is type(miner)), type(miner).__name__)


def parameters_of(miner: Miner) -> dict[str, Any]:
    """Return every parameter of a miner by name."""
    return {parameter.name: getattr(miner, parameter.name) for parameter in parameters(type(miner))}


def strictness(miner: Miner) -> str | None:
    """Return the parameter that the miner's curve is drawn over, or None if it has none that is set."""
    given = parameters_of(miner)
    return next((name for name in STRICTNESS if given.get(name) is not None), None)


def settings(miner: Miner, parameter: str, pool: Pool) -> list[tuple[float, Miner]]:
    """Return the miner at every value worth trying, ascending, its own among them.

    Shares, quantiles and ranks are fixed lists; margins and thresholds come from the
    teacher's scores, at the values that refuse given shares of all candidates.
    """
    given = parameters_of(miner)[parameter]
    values = sorted({*(_typed(value, given) for value in _values(parameter, pool)), given})
    found = []
    for value in values:
        try:
            found.append(with_value(miner, parameter, value))
        except ValidationError:  # out of the parameter's range, or at odds with another parameter
            continue
    return found


def with_value(miner: Miner, parameter: str, value: float) -> tuple[float, Miner]:
    """Return the miner at a value, to four digits or whole if the parameter is, and that value."""
    given = parameters_of(miner)[parameter]
    rounded = _typed(value if value == given else float(f"{value:.4g}"), given)
    return float(rounded), cast("Miner", replace(cast("Any", miner), **{parameter: rounded}))


def _typed(value: float, like: float) -> float | int:
    return int(value) if isinstance(like, int) else float(value)


def _values(parameter: str, pool: Pool) -> tuple[float, ...]:
    if parameter in {"margin", "threshold"}:
        return _from_scores(parameter, pool)
    if parameter in {"shift", "start"}:
        return tuple(rank for rank in _RANKS if rank < pool.document.shape[1])
    return {"share": _SHARES, "quantile": _QUANTILES, "removal": _REMOVALS}[parameter]


def _from_scores(parameter: str, pool: Pool) -> tuple[float, ...]:
    """Return the values that refuse given shares of the eligible candidates, to three digits."""
    score = np.where(pool.eligible, pool.score, 0.0).astype(np.float64)
    distance = pool.positive[:, None] - score if parameter == "margin" else -score
    among: npt.NDArray[np.float64] = distance[pool.eligible]
    if not among.size:
        return ()
    values = np.quantile(among, _REFUSED, method="lower")
    return tuple(float(f"{value if parameter == 'margin' else -value:.3g}") for value in values)
