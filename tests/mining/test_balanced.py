import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mining.balanced import MarginBalanced, bins_of
from harness.mining.base import Pool
from tests.mining.pools import candidates, chosen, one_row, pools, removed

# scores of 16 candidates in bins of 0.1 from 1.0 down: 1 hard, 9 in the middle, 6 easy ones
UNEVEN = [1.0, *np.linspace(0.55, 0.51, 9).tolist(), *np.linspace(0.05, 0.0, 6).tolist()]
DRAWS = 3000


def first_draws(miner: MarginBalanced, pool: Pool, column: int = 0) -> np.ndarray:
    repeated = pool.rows(np.zeros(1, dtype=np.int64))
    return np.array([miner.select(repeated, np.random.default_rng(seed)).document[0, column] for seed in range(DRAWS)])


def within(count: int, share: float) -> bool:
    """Tell whether a binomial count lies within 4 standard errors."""
    return abs(count - DRAWS * share) < 4 * np.sqrt(DRAWS * share * (1 - share))


def test_the_first_draw_is_uniform_over_bins_that_hold_a_candidate_and_uniform_within_each() -> None:
    drawn = first_draws(MarginBalanced(k=1), one_row(UNEVEN, 1.2))

    counts = np.bincount(drawn, minlength=16)

    assert all(within(int(counts[part].sum()), 1 / 3) for part in (slice(0, 1), slice(1, 10), slice(10, 16)))
    assert all(within(int(count), 1 / 27) for count in counts[1:10])
    assert all(within(int(count), 1 / 18) for count in counts[10:])


def test_the_second_draw_is_uniform_over_the_bins_that_are_left() -> None:
    pool = one_row(UNEVEN, 1.2)
    miner = MarginBalanced(k=2)
    pairs = np.array([miner.select(pool, np.random.default_rng(seed)).document[0] for seed in range(DRAWS)])

    bins = np.digitize(pairs, [1, 10])
    after_hard = bins[bins[:, 0] == 0, 1]
    after_middle = bins[bins[:, 0] == 1, 1]

    for found, share in (
        (np.bincount(after_hard, minlength=3), [0, 1 / 2, 1 / 2]),
        (np.bincount(after_middle), [1 / 3] * 3),
    ):
        total = found.sum()
        assert np.all(np.abs(found - total * np.array(share)) <= 4 * np.sqrt(total * 0.25))


@pytest.mark.parametrize("bins", [1, 4, 10])
def test_bins_are_those_of_a_plain_loop(bins: int) -> None:
    scores = [1.0, 0.75, 0.7, 0.5, 0.26, 0.25, 0.0]
    expected = [min(int((1.0 - score) * bins + 1e-12), bins - 1) for score in scores]

    place = bins_of(np.array([scores]), np.ones((1, 7), dtype=np.bool_), bins)

    assert place.tolist() == [expected]


def test_bins_reach_from_the_best_to_the_worst_candidate_that_is_kept() -> None:
    keep = np.array([[False, True, True, True, False]])

    place = bins_of(np.array([[9.0, 1.0, 0.6, 0.0, -1.0]]), keep, 2)

    assert place[keep].tolist() == [0, 0, 1]


def test_one_bin_draws_uniformly() -> None:
    counts = np.bincount(first_draws(MarginBalanced(k=1, bins=1), one_row(UNEVEN, 1.2)), minlength=16)

    assert all(within(int(count), 1 / 16) for count in counts)


def test_equal_scores_share_a_bin() -> None:
    counts = np.bincount(first_draws(MarginBalanced(k=1), one_row([0.5] * 4, 0.9)), minlength=4)

    assert all(within(int(count), 1 / 4) for count in counts)


@settings(max_examples=50, deadline=None)
@given(pool=pools(), k=st.integers(1, 16), seed=st.integers(0, 2**32))
def test_it_gives_k_candidates_where_there_are_k_and_removes_none(pool: Pool, k: int, seed: int) -> None:
    result = MarginBalanced(k=k).select(pool, np.random.default_rng(seed))

    for row in range(len(pool.query)):
        there = [candidate.document for candidate in candidates(pool, row)]
        assert len(chosen(result, row)) == min(k, len(there))
        assert set(chosen(result, row)) <= set(there)
        assert removed(result, row) == []


def test_a_ceiling_refuses_what_lies_above_it_and_bins_the_rest() -> None:
    pool = one_row([1.0, 0.5, 0.4, 0.0], 1.2)

    result = MarginBalanced(k=4, threshold=0.9).select(pool, np.random.default_rng(0))

    assert sorted(chosen(result)) == [1, 2, 3]
    assert removed(result) == [0]
