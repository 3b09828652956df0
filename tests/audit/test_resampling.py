import numpy as np
import pytest

from harness.audit.resampling import MOST, Resamples


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_interval_agrees_with_a_loop_over_resampled_queries():
    group = np.array([7, 7, 3, 9, 9, 9, 1])
    part, whole = np.array([1, 0, 2, 0, 1, 3, 0]), np.array([4, 4, 4, 2, 4, 4, 0])
    again = rng()
    shares = []
    for _ in range(MOST):
        drawn = np.unique(group)[again.integers(0, 4, 4)]
        rows = [row for query in drawn for row in np.flatnonzero(group == query)]
        if whole[rows].sum():
            shares.append(part[rows].sum() / whole[rows].sum())

    rate = Resamples(group, rng()).rate(part, whole)

    assert rate is not None
    assert (rate.value, rate.low, rate.high) == pytest.approx((7 / 22, *np.percentile(shares, (2.5, 97.5))))


def test_the_rows_of_a_query_are_drawn_together():
    one_each = Resamples(np.arange(40), rng()).rate(np.tile([0, 1], 20), np.ones(40, dtype=np.int64))
    in_pairs = Resamples(np.arange(40) // 2 % 2 + np.arange(40) // 4 * 2, rng())
    together = in_pairs.rate(np.repeat(np.tile([0, 1], 10), 2), np.ones(40, dtype=np.int64))

    assert one_each is not None
    assert together is not None
    assert together.high - together.low > 1.2 * (one_each.high - one_each.low)


def test_seeds_decide_and_nothing_else_does():
    group = np.arange(50)
    part, whole = np.arange(50) % 3, np.full(50, 4)

    assert Resamples(group, rng(1)).rate(part, whole) == Resamples(group, rng(1)).rate(part, whole)
    assert Resamples(group, rng(1)).rate(part, whole) != Resamples(group, rng(2)).rate(part, whole)


def test_no_whole_no_rate():
    assert Resamples(np.arange(3), rng()).rate(np.zeros(3, dtype=int), np.zeros(3, dtype=int)) is None
    assert Resamples(np.zeros(0, dtype=int), rng()).rate(np.zeros(0, dtype=int), np.zeros(0, dtype=int)) is None


def test_many_queries_take_fewer_samples():
    assert Resamples(np.arange(10), rng()).count == 2000
    assert Resamples(np.arange(40_000), rng()).count == 1250
