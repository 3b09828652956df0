"""The shortage policies: what may fill a row, what never may, and the counts."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mining.base import PADDING, Negatives, Pool
from harness.mining.margin import TopKPercPos
from harness.mining.rank import RankWindow, TopK, TopKShifted
from harness.mining.shortage import Served, serve
from harness.registry import MINERS
from harness.spec import Shortage
from tests.mining.pools import candidates, chosen, frozen, miners, one_row, pools

BRIEF = settings(max_examples=80, deadline=None)
POLICIES: tuple[Shortage, ...] = get_args(Shortage)
SEEDS = st.integers(0, 2**32)


@st.composite
def mined_pools(draw: st.DrawFn) -> tuple[Pool, Negatives]:
    """Draw a pool and what some registered miner takes from it."""
    pool = draw(pools())
    miner = draw(st.sampled_from(MINERS.names()).flatmap(miners))
    return pool, miner.select(pool, np.random.default_rng(draw(SEEDS)))


def served(mined: tuple[Pool, Negatives], policy: Shortage, seed: int) -> Served:
    pool, negatives = mined
    return serve(negatives, pool, policy, negatives.document.shape[1], np.random.default_rng(seed))


@pytest.mark.parametrize("policy", POLICIES)
@BRIEF
@given(mined=mined_pools(), seed=SEEDS)
def test_a_fill_is_never_excluded_refused_or_already_there(
    policy: Shortage, mined: tuple[Pool, Negatives], seed: int
) -> None:
    pool, _ = mined

    result = served(mined, policy, seed).negatives

    for row in range(len(pool.query)):
        documents = chosen(result, row)
        refused = pool.document[row][result.removed[row]].tolist()
        assert len(documents) == len(set(documents))
        assert not (set(documents) & {*pool.excluded[row].tolist(), *refused})
        assert (result.document[row, len(documents) :] == PADDING).all()


@pytest.mark.parametrize("policy", POLICIES)
@BRIEF
@given(mined=mined_pools(), seed=SEEDS)
def test_what_was_mined_stays_in_front_and_the_counts_add_up(
    policy: Shortage, mined: tuple[Pool, Negatives], seed: int
) -> None:
    _, negatives = mined

    result = served(mined, policy, seed)

    assert np.array_equal(negatives.removed, result.negatives.removed)
    for row in range(len(negatives.document)):
        before = chosen(negatives, row)
        n = len(before)
        assert before == chosen(result.negatives, row)[:n]
        assert np.array_equal(negatives.score[row, :n], result.negatives.score[row, :n], equal_nan=True)
        assert (n, len(chosen(result.negatives, row)) - n) == (result.mined[row], result.filled[row])


@pytest.mark.parametrize("policy", ["keep", "drop"])
@BRIEF
@given(mined=mined_pools(), seed=SEEDS)
def test_keep_and_drop_add_nothing(policy: Shortage, mined: tuple[Pool, Negatives], seed: int) -> None:
    _, negatives = mined

    result = served(mined, policy, seed)

    full = (negatives.document != PADDING).all(axis=1)
    assert np.array_equal(negatives.document, result.negatives.document)
    assert np.array_equal(full if policy == "drop" else np.ones_like(full), result.trained)


@pytest.mark.parametrize("policy", ["backfill_deeper", "backfill_random"])
@BRIEF
@given(mined=mined_pools(), seed=SEEDS)
def test_a_backfilled_row_is_short_only_when_nothing_allowed_is_left(
    policy: Shortage, mined: tuple[Pool, Negatives], seed: int
) -> None:
    pool, _ = mined

    result = served(mined, policy, seed)

    assert result.trained.all()
    for row, documents in enumerate(result.negatives.document):
        if PADDING in documents:
            refused = pool.document[row][result.negatives.removed[row]].tolist()
            banned = {*pool.excluded[row].tolist(), *refused}
            assert set(chosen(result.negatives, row)) == set(range(pool.n_documents)) - banned


@BRIEF
@given(mined=mined_pools(), seed=SEEDS)
def test_a_deeper_fill_takes_the_pool_s_best_before_the_corpus(mined: tuple[Pool, Negatives], seed: int) -> None:
    pool, negatives = mined

    result = served(mined, "backfill_deeper", seed).negatives

    for row in range(len(pool.query)):
        before = chosen(negatives, row)
        free = [
            candidate
            for candidate in candidates(pool, row)
            if not negatives.removed[row, candidate.column] and candidate.document not in before
        ]
        n, short = len(before), negatives.document.shape[1] - len(before)
        deeper = free[:short]
        assert [candidate.document for candidate in deeper] == chosen(result, row)[n : n + len(deeper)]
        assert [candidate.column for candidate in deeper] == result.rank[row, n : n + len(deeper)].tolist()
        assert (result.rank[row, n + len(deeper) :] == -1).all()


@pytest.mark.parametrize("policy", POLICIES)
@BRIEF
@given(mined=mined_pools(), seed=SEEDS)
def test_the_fill_does_not_depend_on_row_order_or_chunks(
    policy: Shortage, mined: tuple[Pool, Negatives], seed: int
) -> None:
    pool, negatives = mined
    k = negatives.document.shape[1]
    order = np.random.default_rng(seed).permutation(len(pool.query))[: len(pool.query) // 2 + 1]
    part = Negatives(
        *(getattr(negatives, name)[order] for name in ("document", "score", "rank", "removed")),
    )

    some = serve(part, frozen(pool.rows(order)), policy, k, np.random.default_rng(seed))

    assert np.array_equal(served(mined, policy, seed).negatives.document[order], some.negatives.document)


def test_a_filter_s_shortage_is_filled_from_outside_the_pool() -> None:
    pool = one_row([0.9, 0.85, 0.5], 0.8, others=3)
    negatives = TopKPercPos().select(pool, np.random.default_rng(0))

    result = serve(negatives, pool, "backfill_deeper", 4, np.random.default_rng(0))

    assert chosen(negatives) == [2]
    assert chosen(result.negatives)[:1] == [2]
    assert {4, 5, 6} == set(chosen(result.negatives)[1:])
    assert (result.mined.tolist(), result.filled.tolist()) == ([1], [3])


def test_a_window_s_shortage_is_filled_behind_it_not_before_it() -> None:
    pool = one_row([0.9, 0.8, 0.7, 0.6, 0.5], 1.0)
    negatives = RankWindow(k=3, start=1, stop=2).select(pool, np.random.default_rng(0))

    result = serve(negatives, pool, "backfill_deeper", 3, np.random.default_rng(0))

    assert chosen(result.negatives) == [1, 2, 3]


def test_skipped_ranks_never_come_back() -> None:
    pool = one_row([0.9, 0.8, 0.7], 1.0)
    negatives = TopKShifted(k=2, shift=2).select(pool, np.random.default_rng(0))

    result = serve(negatives, pool, "backfill_random", 2, np.random.default_rng(0))

    assert chosen(result.negatives) == [2]
    assert result.trained.all()


@pytest.mark.parametrize(("k", "expected"), [(1, [0]), (4, [0, 1, 2, 3])])
def test_rows_are_cut_or_brought_to_k(k: int, expected: list[int]) -> None:
    pool = one_row([0.9, 0.8, 0.7, 0.6], 1.0)
    negatives = TopK(k=2).select(pool, np.random.default_rng(0))

    result = serve(negatives, pool, "backfill_deeper", k, np.random.default_rng(0))

    assert expected == chosen(result.negatives)
    assert (min(2, k), len(expected) - min(2, k)) == (result.mined[0], result.filled[0])


def test_another_seed_gives_another_random_fill() -> None:
    pool = one_row([0.9], 1.0, others=500)
    negatives = TopK(k=4).select(pool, np.random.default_rng(0))

    first, second = (
        serve(negatives, pool, "backfill_random", 4, np.random.default_rng(seed)).negatives for seed in (1, 2)
    )

    assert not np.array_equal(first.document, second.document)
