"""Miners under a ceiling: published examples, plain loops, boundaries and their algebra."""

import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mining.base import Miner, Pool
from harness.mining.margin import Ceiling, TopKAbs, TopKMarginPos, TopKPercPos
from harness.mining.rank import TopK
from tests.mining.pools import candidates, chosen, frozen, moved, one_row, pools, removed

BRIEF = settings(max_examples=80, deadline=None)
EIGHTHS = st.integers(-9, 9).map(lambda value: value / 8)
SHARES = st.sampled_from([0.0, 0.125, 0.5, 0.75, 0.875, 0.95, 1.0, 1.05, 1.1])
AGGREGATES = st.sampled_from(["per_pair", "min", "mean", "max"])
BOUNDARIES = st.sampled_from(["below", "at_or_below"])
RNG = np.random.default_rng(0)
PUBLISHED = [0.95, 0.90, 0.78, 0.70, 0.60, 0.50]


def anchor(pool: Pool, row: int, how: str) -> float:
    if how == "per_pair":
        return float(pool.positive[row])
    scores = [float(pool.positive[other]) for other in range(len(pool.group)) if pool.group[other] == pool.group[row]]
    return float({"min": min, "max": max, "mean": statistics.fmean}[how](scores))


def expect(pool: Pool, row: int, k: int, ceiling: float, boundary: str) -> tuple[list[int], list[int]]:
    """Walk down one row: documents taken, columns refused."""
    limit = float(np.float32(ceiling))
    kept, refused = [], []
    for candidate in candidates(pool, row):
        passes = candidate.score < limit or (boundary == "at_or_below" and candidate.score == limit)
        if passes:
            kept.append(candidate.document)
        else:
            refused.append(candidate.column)
    return kept[:k], refused


def check(miner: Miner, pool: Pool, ceilings: list[float], boundary: str) -> None:
    result = miner.select(pool, RNG)

    for row, ceiling in enumerate(ceilings):
        assert expect(pool, row, miner.k, ceiling, boundary) == (chosen(result, row), removed(result, row))


@BRIEF
@given(pool=pools(), k=st.integers(1, 6), threshold=EIGHTHS, boundary=BOUNDARIES)
def test_abs_equals_a_walk_down_the_row(pool: Pool, k: int, threshold: float, boundary: Any) -> None:
    check(TopKAbs(k=k, threshold=threshold, boundary=boundary), pool, [threshold] * len(pool.query), boundary)


@BRIEF
@given(pool=pools(), k=st.integers(1, 6), margin=EIGHTHS, boundary=BOUNDARIES, how=AGGREGATES)
def test_marginpos_equals_a_walk_down_the_row(pool: Pool, k: int, margin: float, boundary: Any, how: Any) -> None:
    ceilings = [anchor(pool, row, how) - margin for row in range(len(pool.query))]

    check(TopKMarginPos(k=k, margin=margin, boundary=boundary, positive_agg=how), pool, ceilings, boundary)


@BRIEF
@given(pool=pools(), k=st.integers(1, 6), share=SHARES, boundary=BOUNDARIES, how=AGGREGATES)
def test_percpos_equals_a_walk_down_the_row(pool: Pool, k: int, share: float, boundary: Any, how: Any) -> None:
    positives = [anchor(pool, row, how) for row in range(len(pool.query))]
    ceilings = [positive - (1.0 - share) * abs(positive) for positive in positives]

    check(TopKPercPos(k=k, share=share, boundary=boundary, positive_agg=how), pool, ceilings, boundary)


@pytest.mark.parametrize("miner", [TopKMarginPos(), TopKPercPos(), TopKAbs()], ids=lambda miner: type(miner).__name__)
def test_the_published_example_keeps_the_three_lowest(miner: Miner) -> None:
    assert chosen(miner.select(one_row(PUBLISHED, 0.80), RNG)) == [3, 4, 5]


def test_defaults_are_the_published_ones() -> None:
    assert (TopKAbs().threshold, TopKAbs().boundary) == (0.7, "at_or_below")
    assert (
        TopKMarginPos().margin,
        TopKMarginPos().boundary,
        TopKMarginPos().positive_agg,
    ) == (0.05, "below", "per_pair")
    assert (TopKPercPos().share, TopKPercPos().boundary, TopKPercPos().positive_agg) == (0.95, "below", "per_pair")


@pytest.mark.parametrize(
    "miner",
    [
        TopKAbs(threshold=0.7, boundary="below"),
        TopKMarginPos(margin=0.1),
        TopKPercPos(share=0.875),
    ],
    ids=lambda miner: type(miner).__name__,
)
def test_decimal_scores_at_the_ceiling_are_at_the_boundary(miner: Any) -> None:
    pool = one_row([0.7, 0.6], 0.8)

    assert chosen(miner.select(pool, RNG)) == [1]
    assert chosen(replace(miner, boundary="at_or_below").select(pool, RNG)) == [0, 1]


def test_a_score_in_half_precision_does_not_flip_the_boundary() -> None:
    half = float(np.float16(0.7))  # 0.7002: above 0.7 in float32, equal to it in float16
    pool = one_row([half], 0.8)

    assert chosen(TopKAbs(threshold=0.7).select(pool, RNG)) == []


def test_a_share_of_a_negative_positive_lies_below_it() -> None:
    pool = one_row([-0.9, -1.0, -1.05, -1.06], -1.0)

    assert chosen(TopKPercPos(share=0.95).select(pool, RNG)) == [3]


def test_a_query_with_several_positives_is_measured_against_the_one_named() -> None:
    pool = one_row([0.75, 0.65, 0.62, 0.5], 0.8)
    pool = frozen(replace(pool.rows(np.array([0, 0])), positive=np.array([0.8, 0.6], dtype=np.float32)))

    taken = {
        how: [
            chosen(TopKPercPos(positive_agg=how).select(pool, RNG), row)  # type: ignore[arg-type]
            for row in (0, 1)
        ]
        for how in ("per_pair", "min", "mean", "max")
    }

    assert taken == {
        "per_pair": [[0, 1, 2, 3], [3]],
        "min": [[3], [3]],
        "mean": [[1, 2, 3], [1, 2, 3]],
        "max": [[0, 1, 2, 3], [0, 1, 2, 3]],
    }


@BRIEF
@given(pool=pools(), low=EIGHTHS, high=EIGHTHS, how=AGGREGATES)
def test_a_stricter_parameter_refuses_at_least_as_much(pool: Pool, low: float, high: float, how: Any) -> None:
    low, high = sorted((low, high))
    pairs: list[tuple[Miner, Miner]] = [
        (TopKAbs(threshold=low), TopKAbs(threshold=high)),
        (TopKMarginPos(margin=high, positive_agg=how), TopKMarginPos(margin=low, positive_agg=how)),
        (
            TopKPercPos(share=max(0.0, min(1.1, low)), positive_agg=how),
            TopKPercPos(share=max(0.0, min(1.1, high)), positive_agg=how),
        ),
    ]

    for strict, lax in pairs:
        assert not (lax.select(pool, RNG).removed & ~strict.select(pool, RNG).removed).any()


@BRIEF
@given(pool=pools(), k=st.integers(1, 6))
def test_a_ceiling_out_of_reach_equals_naive_topk(pool: Pool, k: int) -> None:
    naive = TopK(k=k).select(pool, RNG)

    for miner in (TopKAbs(k=k, threshold=1000.0), TopKMarginPos(k=k, margin=-1000.0)):
        result = miner.select(pool, RNG)
        assert np.array_equal(naive.document, result.document)
        assert not result.removed.any()


@BRIEF
@given(pool=pools(min_queries=1), share=SHARES.filter(lambda share: share <= 1.0))
def test_a_share_up_to_one_never_keeps_a_candidate_above_its_positive(pool: Pool, share: float) -> None:
    result = TopKPercPos(share=share).select(pool, RNG)

    assert not (result.score >= pool.positive[:, None]).any()


@BRIEF
@given(pool=pools(), share=SHARES, margin=EIGHTHS, scale=st.sampled_from([0.5, 2.0, 8.0]))
def test_scaling_all_scores_leaves_percpos_and_scales_the_margin(
    pool: Pool, share: float, margin: float, scale: float
) -> None:
    scaled = moved(pool, scale=scale)

    for before, after in (
        (TopKPercPos(share=share), TopKPercPos(share=share)),
        (TopKMarginPos(margin=margin), TopKMarginPos(margin=margin * scale)),
    ):
        assert np.array_equal(before.select(pool, RNG).document, after.select(scaled, RNG).document)


@BRIEF
@given(pool=pools(), margin=EIGHTHS, offset=EIGHTHS)
def test_adding_a_constant_to_all_scores_leaves_marginpos(pool: Pool, margin: float, offset: float) -> None:
    miner = TopKMarginPos(margin=margin)

    assert np.array_equal(miner.select(pool, RNG).document, miner.select(moved(pool, offset=offset), RNG).document)


def test_neither_filter_has_the_other_s_invariance() -> None:
    pool = one_row([0.75, 0.5], 1.0)

    assert chosen(TopKMarginPos(margin=0.125).select(pool, RNG)) == [0, 1]
    assert chosen(TopKMarginPos(margin=0.125).select(moved(pool, scale=0.5), RNG)) == [1]
    assert chosen(TopKPercPos(share=0.875).select(pool, RNG)) == [0, 1]
    assert chosen(TopKPercPos(share=0.875).select(moved(pool, offset=1.0), RNG)) == [1]


@BRIEF
@given(pool=pools(), threshold=EIGHTHS, margin=EIGHTHS, share=SHARES, boundary=BOUNDARIES, how=AGGREGATES)
def test_several_ceilings_keep_what_each_of_them_keeps(  # noqa: PLR0913 - one argument per field
    *, pool: Pool, threshold: float, margin: float, share: float, boundary: Any, how: Any
) -> None:
    shared = {"boundary": boundary, "positive_agg": how}
    singles = [{"threshold": threshold}, {"margin": margin}, {"share": share}]

    together = Ceiling(threshold=threshold, margin=margin, share=share, **shared).keep(pool)

    alone = [Ceiling(**single, **shared).keep(pool) for single in singles]
    assert np.array_equal(np.logical_and.reduce(alone), together)
    assert np.array_equal(pool.eligible, Ceiling(**shared).keep(pool))
