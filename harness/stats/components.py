"""Where scores or differences vary: between queries, seeds and datasets, and the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.stats.seeds import MeanSquares, mean_squares
from harness.stats.values import FloatArray, per_query

__all__ = ["VarianceComponents", "variance_components"]


@dataclass(frozen=True)
class VarianceComponents:
    """Variances of one value: that of a query, on a dataset, of a model trained with a seed.

    `dataset` is None for one dataset. `seed` is what training with another seed moves
    all queries of a dataset by. `residual` holds what a seed does to single queries.
    Estimates below 0 are set to 0 and named in `truncated`.
    """

    query: float
    seed: float
    dataset: float | None
    residual: float
    truncated: tuple[str, ...]

    @property
    def shares(self) -> dict[str, float]:
        """Return each component over their sum; all 0 where nothing varies."""
        parts = {"query": self.query, "seed": self.seed, "dataset": self.dataset or 0.0, "residual": self.residual}
        total = sum(parts.values())
        return {name: part / total if total > 0.0 else 0.0 for name, part in parts.items()}


def variance_components(datasets: Sequence[npt.ArrayLike]) -> VarianceComponents:
    """Estimate the variance components of scores or paired differences, one (queries, seeds) table a dataset.

    Queries are nested in datasets and crossed with seeds; a seed is another run on each
    dataset, so its effect is nested too. The estimators equate mean squares with their
    expectations (analysis of variance, Searle, Casella and McCulloch 1992, chapter 4);
    sums of squares are pooled over datasets, which may differ in queries and seeds.

    Raises ValueError for no dataset or less than two queries or seeds in one,
    NumericError for what is not finite.
    """
    tables = [per_query(values, f"dataset {place}") for place, values in enumerate(datasets)]
    small = [table.shape for table in tables if min(table.shape) < 2]  # noqa: PLR2004
    if small or not tables:
        message = f"every dataset needs at least two queries and two seeds, got {small or 'no dataset'}"
        raise ValueError(message)
    estimates = _within(tables)
    if len(tables) > 1:
        estimates["dataset"] = _between(tables, estimates)
    return VarianceComponents(
        query=max(estimates["query"], 0.0),
        seed=max(estimates["seed"], 0.0),
        dataset=max(estimates["dataset"], 0.0) if len(tables) > 1 else None,
        residual=estimates["residual"],
        truncated=tuple(sorted(name for name, value in estimates.items() if value < 0.0)),
    )


def _within(tables: Sequence[FloatArray]) -> dict[str, float]:
    """Return the components within datasets, not truncated."""
    squares = [mean_squares(table) for table in tables]
    queries = np.array([len(table) for table in tables])
    seeds = np.array([table.shape[1] for table in tables])
    freedom = (queries - 1) * (seeds - 1)
    residual = float(_of("residual", squares) @ freedom / freedom.sum())
    by_query = float((_of("queries", squares) - residual) @ (queries - 1) / (seeds @ (queries - 1)))
    by_seed = float((_of("seeds", squares) - residual) @ (seeds - 1) / (queries @ (seeds - 1)))
    return {"query": by_query, "seed": by_seed, "residual": residual}


def _of(name: str, squares: Sequence[MeanSquares]) -> FloatArray:
    return np.array([getattr(item, name) for item in squares])


def _between(tables: Sequence[FloatArray], within: dict[str, float]) -> float:
    """Return the variance of dataset means less what queries, seeds and residual add to it."""
    means = np.array([table.mean() for table in tables])
    added = [
        within["query"] / len(table) + within["seed"] / table.shape[1] + within["residual"] / table.size
        for table in tables
    ]
    return float(means.var(ddof=1) - np.maximum(added, 0.0).mean())
