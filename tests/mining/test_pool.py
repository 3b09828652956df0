"""The Pool's primitives: best, uniform, draw, rows."""

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mining.base import PADDING, Pool
from tests.mining.pools import candidates, chosen, frozen, make_pool, one_row, pools, removed

BRIEF = settings(max_examples=60, deadline=None)


@BRIEF
@given(pool=pools(), k=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_best_is_a_stable_sort_of_what_is_kept(pool: Pool, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    keep = rng.random(pool.score.shape) < 0.7
    by = rng.choice([-np.inf, -1.0, 0.0, 0.5, np.inf], size=pool.score.shape)

    result = pool.best(keep, by=by, k=k)

    for row in range(len(pool.query)):
        kept = [candidate for candidate in candidates(pool, row) if keep[row, candidate.column]]
        kept.sort(key=lambda candidate, row=row: -by[row, candidate.column])
        assert [candidate.document for candidate in kept[:k]] == chosen(result, row)
        assert [candidate.column for candidate in kept[:k]] == result.rank[row][result.rank[row] >= 0].tolist()


def test_a_refused_mask_separates_refused_from_not_looked_at() -> None:
    pool = one_row([0.9, 0.8, 0.7, 0.6], 1.0, ineligible=(3,))
    keep = np.array([[False, True, False, False]])

    assert removed(pool.best(keep, by=pool.score, k=1)) == [0, 2]
    assert removed(pool.best(keep, by=pool.score, k=1, refused=np.array([[True, True, False, True]]))) == [0]


def test_eligible_rank_counts_eligible_candidates_only() -> None:
    pool = one_row([0.9, 0.8, 0.7, 0.6], 1.0, ineligible=(0, 2))

    assert pool.eligible_rank[pool.eligible].tolist() == [0, 1]


def test_uniform_depends_on_pair_and_document_not_on_place() -> None:
    pool = make_pool(np.random.default_rng(3), queries=3, documents=30, depth=20)
    backwards = replace(pool, document=pool.document[:, ::-1])

    whole = pool.uniform(np.random.default_rng(1))

    assert np.array_equal(whole[:, ::-1], backwards.uniform(np.random.default_rng(1)))
    assert np.array_equal(whole[[2, 0]], pool.rows(np.array([2, 0])).uniform(np.random.default_rng(1)))
    assert not np.array_equal(whole, pool.uniform(np.random.default_rng(2)))


def test_uniform_is_uniform_and_never_zero_or_one() -> None:
    pool = make_pool(np.random.default_rng(3), queries=60, documents=400, depth=300)

    drawn = pool.uniform(np.random.default_rng(1))[pool.document != PADDING]

    assert 0.0 < drawn.min() < drawn.max() < 1.0
    counts, _ = np.histogram(drawn, bins=10, range=(0.0, 1.0))
    expected = len(drawn) / 10
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected))


@BRIEF
@given(pool=pools(), k=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_draw_gives_distinct_allowed_documents_as_many_as_there_are(pool: Pool, k: int, seed: int) -> None:
    avoid = np.random.default_rng(seed).integers(-1, pool.n_documents, (len(pool.query), 2)).astype(np.int32)

    drawn = pool.draw(np.random.default_rng(seed), k, avoid=avoid)

    for row, documents in enumerate(drawn.tolist()):
        banned = {*pool.excluded[row].tolist(), *avoid[row].tolist()}
        allowed = set(range(pool.n_documents)) - banned
        picked = [document for document in documents if document != PADDING]
        assert min(k, len(allowed)) == len(picked) == len(set(picked))
        assert set(picked) <= allowed


def test_every_allowed_document_is_drawn_equally_often_and_once_a_row() -> None:
    pair = one_row([0.5], 1.0, others=200)
    n = 3000
    keys = np.random.default_rng(5).integers(0, 2**63, n, dtype=np.uint64)
    many = frozen(replace(pair.rows(np.zeros(n, dtype=np.int64)), pair_key=keys))

    rows = many.draw(np.random.default_rng(1), 4)

    assert all(len(set(row)) == 4 for row in rows.tolist())
    drawn = Counter(rows.ravel().tolist())
    expected = 4 * n / 201  # all but the positive
    assert len(drawn) == 201
    assert all(abs(count - expected) < 5 * np.sqrt(expected) for count in drawn.values())
