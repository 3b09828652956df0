"""Miners by rank against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.mining.base import Pool
from harness.mining.rank import BgeWindow, Random, RankWindow, TopK, TopKShifted
from tests.mining.pools import candidates, chosen, one_row, pools, removed

BRIEF = settings(max_examples=60, deadline=None)
COUNT = st.integers(1, 6)
RANK = st.integers(0, 5)
RNG = np.random.default_rng(0)


@BRIEF
@given(pool=pools(), k=COUNT)
def test_topk_takes_the_first_eligible_candidates(pool: Pool, k: int) -> None:
    result = TopK(k=k).select(pool, RNG)

    for row in range(len(pool.query)):
        assert [candidate.document for candidate in candidates(pool, row)[:k]] == chosen(result, row)
    assert not result.removed.any()


@BRIEF
@given(pool=pools(), k=COUNT, shift=RANK)
def test_shifted_skips_eligible_candidates_and_refuses_them(pool: Pool, k: int, shift: int) -> None:
    result = TopKShifted(k=k, shift=shift).select(pool, RNG)

    for row in range(len(pool.query)):
        listed = candidates(pool, row)
        assert [candidate.document for candidate in listed[shift : shift + k]] == chosen(result, row)
        assert [candidate.column for candidate in listed[:shift]] == removed(result, row)


def test_positives_do_not_count_towards_the_shift() -> None:
    pool = one_row([0.9, 0.8, 0.7, 0.6, 0.5], 1.0, ineligible=(0, 2))

    assert chosen(TopKShifted(k=2, shift=1).select(pool, RNG)) == [3, 4]


def test_the_published_shift_of_two_starts_at_the_third_candidate() -> None:
    pool = one_row([0.95, 0.90, 0.78, 0.70, 0.60, 0.50], 0.80)

    assert chosen(TopKShifted(shift=2).select(pool, RNG)) == [2, 3, 4, 5]


@BRIEF
@given(pool=pools(), k=COUNT, start=RANK, width=st.integers(1, 5))
def test_a_rank_window_refuses_what_is_before_it_and_ignores_what_is_behind(
    pool: Pool, k: int, start: int, width: int
) -> None:
    result = RankWindow(k=k, start=start, stop=start + width).select(pool, RNG)

    for row in range(len(pool.query)):
        listed = candidates(pool, row)
        assert [candidate.document for candidate in listed[start : start + width][:k]] == chosen(result, row)
        assert [candidate.column for candidate in listed[:start]] == removed(result, row)


@pytest.mark.parametrize("factory", [RankWindow, BgeWindow])
def test_a_window_that_ends_before_it_starts_is_refused(factory: type) -> None:
    with pytest.raises(ValidationError, match="start must be below stop, got start=5 and stop=5"):
        factory(start=5, stop=5)


@BRIEF
@given(pool=pools(), k=COUNT, start=RANK, width=st.integers(1, 5), ranks=st.sampled_from(["pool", "eligible"]))
def test_bge_draws_from_its_window_as_many_as_it_holds(pool: Pool, k: int, start: int, width: int, ranks: str) -> None:
    result = BgeWindow(k=k, start=start, stop=start + width, ranks=ranks).select(pool, np.random.default_rng(k))

    for row in range(len(pool.query)):
        listed = [
            (place if ranks == "eligible" else candidate.column, candidate)
            for place, candidate in enumerate(candidates(pool, row))
        ]
        window = {candidate.document for rank, candidate in listed if start <= rank < start + width}
        assert min(k, len(window)) == len(chosen(result, row))
        assert set(chosen(result, row)) <= window
        assert [candidate.column for rank, candidate in listed if rank < start] == removed(result, row)


def test_bge_as_released_cuts_the_window_before_positives_go() -> None:
    pool = one_row([0.9, 0.8, 0.7, 0.6, 0.5], 1.0, ineligible=(1, 2))
    window = {"k": 5, "start": 1, "stop": 4}

    assert chosen(BgeWindow(**window, ranks="pool").select(pool, RNG)) == [3]
    assert {3, 4} == set(chosen(BgeWindow(**window, ranks="eligible").select(pool, RNG)))


def test_bge_draws_every_candidate_of_the_window_equally_often() -> None:
    pool = one_row([1 - 0.05 * rank for rank in range(12)], 1.0)
    miner = BgeWindow(k=2, start=2, stop=10)
    n = 2000

    seen = np.concatenate([chosen(miner.select(pool, np.random.default_rng(seed))) for seed in range(n)])

    counts = np.bincount(seen, minlength=12)
    assert counts[[0, 1, 10, 11]].tolist() == [0] * 4
    assert np.all(np.abs(counts[2:10] - n / 4) < 5 * np.sqrt(n / 4 * 3 / 4))


def test_random_reaches_documents_outside_the_pool_and_scores_none() -> None:
    pool = one_row([0.9, 0.8], 1.0, others=20)

    result = Random(k=22).select(pool, np.random.default_rng(1))

    assert {*range(2), *range(3, 23)} == set(chosen(result))
    assert np.isnan(result.score).all()
    assert (result.rank == -1).all()
