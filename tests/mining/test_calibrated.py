"""Quantile thresholds: loops, what share they refuse, and what leaves them unchanged."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mining.base import Pool
from harness.mining.calibrated import TopKAbsQuantile, TopKMarginQuantile
from tests.mining.pools import candidates, chosen, make_pool, moved, pools, removed

BRIEF = settings(max_examples=80, deadline=None)
QUANTILES = st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.95, 1.0])
RNG = np.random.default_rng(0)


@BRIEF
@given(pool=pools(min_queries=1), k=st.integers(1, 6), quantile=QUANTILES, strict=st.booleans())
def test_abs_quantile_compares_with_a_sorted_positive(pool: Pool, k: int, quantile: float, *, strict: bool) -> None:
    ordered = sorted(pool.positive.tolist())
    threshold = ordered[int(quantile * (len(ordered) - 1))]
    miner = TopKAbsQuantile(k=k, quantile=quantile, boundary="below" if strict else "at_or_below")

    result = miner.select(pool, RNG)

    for row in range(len(pool.query)):
        kept = [c for c in candidates(pool, row) if c.score < threshold or (not strict and c.score == threshold)]
        assert [candidate.document for candidate in kept][:k] == chosen(result, row)


@BRIEF
@given(pool=pools(min_queries=1), k=st.integers(1, 6), removal=QUANTILES)
def test_margin_quantile_refuses_the_smallest_differences(pool: Pool, k: int, removal: float) -> None:
    listed = [(row, candidate) for row in range(len(pool.query)) for candidate in candidates(pool, row)]
    differences = sorted(float(pool.positive[row]) - candidate.score for row, candidate in listed)
    margin = differences[int(removal * (len(differences) - 1))] if differences else 0.0

    result = TopKMarginQuantile(k=k, removal=removal).select(pool, RNG)

    for row in range(len(pool.query)):
        refused = [c.column for c in candidates(pool, row) if float(pool.positive[row]) - c.score < margin]
        assert refused == removed(result, row)
    assert result.removed.sum() <= removal * max(1, len(differences))


def test_margin_quantile_refuses_the_share_asked_for() -> None:
    pool = make_pool(np.random.default_rng(1), queries=50, documents=80, depth=60, levels=100_000)

    result = TopKMarginQuantile(removal=0.2).select(pool, RNG)

    assert abs(result.removed.sum() / pool.eligible.sum() - 0.2) < 0.002


@BRIEF
@given(
    pool=pools(),
    quantile=QUANTILES,
    scale=st.sampled_from([0.5, 4.0]),
    offset=st.sampled_from([-2.0, 0.0, 1.0]),
    how=st.sampled_from(["per_pair", "min", "max"]),
)
def test_another_scale_of_scores_changes_nothing(
    *, pool: Pool, quantile: float, scale: float, offset: float, how: Any
) -> None:
    other = moved(pool, scale=scale, offset=offset)

    for miner in (TopKAbsQuantile(quantile=quantile), TopKMarginQuantile(removal=quantile, positive_agg=how)):
        assert np.array_equal(miner.select(pool, RNG).document, miner.select(other, RNG).document)


@pytest.mark.parametrize("miner", [TopKAbsQuantile(), TopKMarginQuantile()], ids=lambda miner: type(miner).__name__)
def test_a_pool_without_rows_is_mined_without_complaint(miner: Any) -> None:
    pool = make_pool(RNG, queries=0, documents=3, depth=2)

    assert miner.select(pool, RNG).document.shape == (0, 4)


@BRIEF
@given(pool=pools(), low=QUANTILES, high=QUANTILES)
def test_a_stricter_quantile_refuses_at_least_as_much(pool: Pool, low: float, high: float) -> None:
    low, high = sorted((low, high))

    for strict, lax in (
        (TopKAbsQuantile(quantile=low), TopKAbsQuantile(quantile=high)),
        (TopKMarginQuantile(removal=high), TopKMarginQuantile(removal=low)),
    ):
        assert not (lax.select(pool, RNG).removed & ~strict.select(pool, RNG).removed).any()
