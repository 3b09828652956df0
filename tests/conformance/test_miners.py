"""What every registered miner must do, whatever its rule."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mining.base import PADDING, Negatives, Pool
from harness.registry import MINERS
from tests.mining.pools import frozen, make_pool, miners, pools

EVERY = pytest.mark.parametrize("name", MINERS.names())
CALIBRATED = {"topk_abs_quantile", "topk_margin_quantile"}  # their ceiling is a statistic of the whole pool
PER_ROW = pytest.mark.parametrize("name", [name for name in MINERS.names() if name not in CALIBRATED])
RANDOM = {"bge_window", "margin_balanced", "random", "random_removal", "simans", "top1_sampled", "topk_sampled"}
SEEDS = st.integers(0, 2**32)
DTYPES = [np.int32, np.float32, np.int32, np.bool_]
BRIEF = settings(max_examples=30, deadline=None)


def equal(left: Negatives, right: Negatives) -> bool:
    return all(
        np.array_equal(getattr(left, part), getattr(right, part), equal_nan=part == "score")
        for part in ("document", "score", "rank", "removed")
    )


def rows_of(negatives: Negatives, index: np.ndarray) -> Negatives:
    return Negatives(*(getattr(negatives, part)[index] for part in ("document", "score", "rank", "removed")))


@EVERY
@BRIEF
@given(data=st.data(), pool=pools(), seed=SEEDS)
def test_the_result_has_k_columns_of_the_declared_types(name: str, data: st.DataObject, pool: Pool, seed: int) -> None:
    miner = data.draw(miners(name))

    result = miner.select(pool, np.random.default_rng(seed))

    shape = (len(pool.query), miner.k)
    assert [shape] * 3 == [result.document.shape, result.score.shape, result.rank.shape]
    assert pool.eligible.shape == result.removed.shape
    assert [part.dtype for part in (result.document, result.score, result.rank, result.removed)] == DTYPES


@EVERY
@BRIEF
@given(data=st.data(), pool=pools(), seed=SEEDS)
def test_no_excluded_or_ineligible_document_is_ever_chosen(
    name: str, data: st.DataObject, pool: Pool, seed: int
) -> None:
    result = data.draw(miners(name)).select(pool, np.random.default_rng(seed))

    for row, documents in enumerate(result.document):
        banned = set(pool.excluded[row].tolist()) | set(pool.document[row][~pool.eligible[row]].tolist())
        assert not (set(documents.tolist()) & (banned - {PADDING}))


@EVERY
@BRIEF
@given(data=st.data(), pool=pools(), seed=SEEDS)
def test_rank_and_score_are_those_of_the_document_in_the_pool(
    name: str, data: st.DataObject, pool: Pool, seed: int
) -> None:
    result = data.draw(miners(name)).select(pool, np.random.default_rng(seed))

    for row, column in np.ndindex(result.document.shape):
        document, rank, score = (part[row, column] for part in (result.document, result.rank, result.score))
        if rank == -1:
            assert np.isnan(score)
            assert PADDING <= document < pool.n_documents
        else:
            assert (pool.document[row, rank], pool.score[row, rank]) == (document, score)


@EVERY
@BRIEF
@given(data=st.data(), pool=pools(), seed=SEEDS)
def test_no_document_comes_twice_and_padding_stands_behind(
    name: str, data: st.DataObject, pool: Pool, seed: int
) -> None:
    result = data.draw(miners(name)).select(pool, np.random.default_rng(seed))

    for documents in result.document:
        filled = int((documents != PADDING).sum())
        assert PADDING not in documents[:filled]
        assert filled == len(set(documents[:filled].tolist()))


@EVERY
@BRIEF
@given(data=st.data(), pool=pools(), seed=SEEDS)
def test_removed_candidates_are_eligible_and_not_chosen(name: str, data: st.DataObject, pool: Pool, seed: int) -> None:
    result = data.draw(miners(name)).select(pool, np.random.default_rng(seed))

    assert not (result.removed & ~pool.eligible).any()
    for row, documents in enumerate(result.document):
        assert not (set(pool.document[row][result.removed[row]].tolist()) & set(documents.tolist()))


@EVERY
@BRIEF
@given(data=st.data(), pool=pools(), seed=SEEDS)
def test_the_same_seed_gives_the_same_negatives(name: str, data: st.DataObject, pool: Pool, seed: int) -> None:
    miner = data.draw(miners(name))

    first, second = (miner.select(pool, np.random.default_rng(seed)) for _ in range(2))

    assert equal(first, second)


@EVERY
@BRIEF
@given(data=st.data(), pool=pools(), seed=SEEDS)
def test_row_order_changes_nothing(name: str, data: st.DataObject, pool: Pool, seed: int) -> None:
    miner = data.draw(miners(name))
    order = np.random.default_rng(seed).permutation(len(pool.query))

    shuffled = miner.select(frozen(pool.rows(order)), np.random.default_rng(seed))

    assert equal(rows_of(miner.select(pool, np.random.default_rng(seed)), order), shuffled)


@PER_ROW
@BRIEF
@given(data=st.data(), pool=pools(), seed=SEEDS)
def test_mining_query_by_query_gives_the_same_as_all_at_once(
    name: str, data: st.DataObject, pool: Pool, seed: int
) -> None:
    miner = data.draw(miners(name))
    whole = miner.select(pool, np.random.default_rng(seed))

    for query in np.unique(pool.query):
        rows = np.flatnonzero(pool.query == query)
        part = miner.select(frozen(pool.rows(rows)), np.random.default_rng(seed))

        assert equal(rows_of(whole, rows), part)


@EVERY
@BRIEF
@given(data=st.data(), pool=pools(), seed=SEEDS)
def test_the_order_of_the_corpus_changes_nothing(name: str, data: st.DataObject, pool: Pool, seed: int) -> None:
    miner = data.draw(miners(name))
    new_place = np.random.default_rng(seed).permutation(pool.n_documents).astype(np.int32)
    places = np.append(new_place, np.int32(PADDING))  # index -1 stays PADDING
    keys = np.empty_like(pool.document_key)
    keys[new_place] = pool.document_key
    renumbered = frozen(
        replace(pool, document=places[pool.document], excluded=places[pool.excluded], document_key=keys)
    )

    expected = miner.select(pool, np.random.default_rng(seed))
    actual = miner.select(renumbered, np.random.default_rng(seed))

    assert equal(replace(expected, document=places[expected.document]), actual)


@EVERY
def test_only_random_miners_depend_on_the_seed(name: str) -> None:
    pool = make_pool(np.random.default_rng(0), queries=40, documents=400, depth=300, levels=1000)
    miner = MINERS.create(name, {})

    first, second = (miner.select(pool, np.random.default_rng(seed)) for seed in (1, 2))  # type: ignore[attr-defined]

    assert (name in RANDOM) == (not equal(first, second))


@EVERY
def test_every_entry_says_what_it_does_and_gives_k_first(name: str) -> None:
    entry = MINERS[name]

    assert entry.summary.endswith(".")
    assert MINERS.create(name, {"k": 3}).k == 3  # type: ignore[attr-defined]
