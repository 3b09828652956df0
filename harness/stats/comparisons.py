"""Paired comparisons of arms over the same queries."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.stats.intervals import mean_intervals
from harness.stats.resampling import sign_flip_p
from harness.stats.seeds import SeedTest, seed_test
from harness.stats.values import ALPHA, RESAMPLES, TIE, FloatArray, Interval, per_query

__all__ = ["PairedComparison", "paired_comparison", "paired_comparisons", "rank_correlation"]

POWER = 0.80
Pair = tuple[npt.ArrayLike, npt.ArrayLike]


@dataclass(frozen=True)
class PairedComparison:
    """How a differs from b on the same queries; positive means that a is higher.

    `p_permutation` is two-sided; `p_t` and `effect` (d_z: mean over standard deviation
    of the differences) are None where the differences do not vary or there is one
    query, except that p_t is then 1 for all ties. `seed_spread` is None for one seed.
    `detectable` is the difference found with 80 % power at alpha 0.05, by the normal
    approximation; None for one query. `p_seeds` and `over_seeds` are those of `seed_test`,
    where other seeds might have been drawn as well as other queries; None for one seed
    and for one query.
    """

    queries: int
    seeds: int
    difference: Interval
    p_permutation: float
    p_t: float | None
    effect: float | None
    wins: int
    ties: int
    losses: int
    seed_spread: float | None
    detectable: float | None
    p_seeds: float | None = None
    over_seeds: Interval | None = None


def paired_comparisons(
    pairs: Sequence[Pair], *, resamples: int = RESAMPLES, seed: int, seedless: Sequence[bool] = ()
) -> list[PairedComparison]:
    """Compare the sides of each pair, (queries, seeds) or (queries,), all over the same number of queries.

    All pairs meet the same resamples, so that each gives what it gives alone. `seedless`
    names the pairs of which neither side depends on a seed: one column is then all
    there is to know, and stands for any number of equal ones.

    Raises NumericError for NaN or infinity and ValueError for shapes that do not pair.
    """
    if not pairs:
        return []
    tables = [_differences(a, b) for a, b in pairs]
    if len({len(table) for table in tables}) != 1:
        message = f"all pairs need the same queries, got {sorted({len(table) for table in tables})}"
        raise ValueError(message)
    columns = np.column_stack([table.mean(axis=1) for table in tables])
    columns[np.abs(columns) < TIE] = 0.0
    differences = mean_intervals(columns, resamples=resamples, seed=seed)
    p = sign_flip_p(columns, resamples, np.random.default_rng([seed, 1]))
    return [
        _described(table, columns[:, place], differences[place], float(p[place]), _over_seeds(table, seedless=constant))
        for place, (table, constant) in enumerate(zip(tables, seedless or [False] * len(tables), strict=True))
    ]


def paired_comparison(
    a: npt.ArrayLike, b: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int, seedless: bool = False
) -> PairedComparison:
    """Compare a with b, both (queries, seeds) or (queries,), rows and columns paired: see `paired_comparisons`."""
    return paired_comparisons([(a, b)], resamples=resamples, seed=seed, seedless=[seedless])[0]


def _differences(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    left, right = per_query(a, "a"), per_query(b, "b")
    if left.shape != right.shape:
        message = f"a and b must be paired: got shapes {left.shape} and {right.shape}"
        raise ValueError(message)
    return left - right


def _described(
    table: FloatArray, values: FloatArray, difference: Interval, p_permutation: float, over_seeds: SeedTest | None
) -> PairedComparison:
    """Describe differences `table` (queries, seeds) and their means over seeds, `values` (queries,)."""
    n, seeds = table.shape
    deviation = float(values.std(ddof=1)) if n > 1 else 0.0
    return PairedComparison(
        queries=n,
        seeds=seeds,
        difference=difference,
        p_permutation=p_permutation,
        p_t=_t_test_p(values),
        effect=float(values.mean()) / deviation if deviation > TIE else None,
        wins=int(np.count_nonzero(values > 0)),
        ties=int(np.count_nonzero(values == 0)),
        losses=int(np.count_nonzero(values < 0)),
        seed_spread=float(table.mean(axis=0).std(ddof=1)) if seeds > 1 else None,
        detectable=_detectable(deviation, n) if n > 1 else None,
        p_seeds=over_seeds.p if over_seeds is not None else None,
        over_seeds=over_seeds.interval if over_seeds is not None else None,
    )


def _over_seeds(table: FloatArray, *, seedless: bool) -> SeedTest | None:
    if seedless and table.shape[1] == 1:
        table = np.repeat(table, 2, axis=1)
    return seed_test(table) if min(table.shape) > 1 else None


def _t_test_p(values: FloatArray) -> float | None:
    """Return the two-sided p of the paired t-test on differences `values` (n,)."""
    from scipy import special

    if not values.any():
        return 1.0
    if len(values) < 2 or values.std() <= TIE * np.abs(values).max():  # noqa: PLR2004
        return None
    t = values.mean() / (values.std(ddof=1) / math.sqrt(len(values)))
    return float(2.0 * special.stdtr(len(values) - 1, -abs(t)))


def _detectable(deviation: float, n: int) -> float:
    from scipy import special

    return float((special.ndtri(1.0 - ALPHA / 2.0) + special.ndtri(POWER)) * deviation / math.sqrt(n))


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation; None if either side does not vary."""
    from scipy import stats

    if len(set(x)) < 2 or len(set(y)) < 2:  # noqa: PLR2004
        return None
    return float(stats.spearmanr(x, y).statistic)
