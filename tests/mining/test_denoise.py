"""Confirmation by a second teacher, against a plain loop."""

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mining.base import Pool
from harness.mining.denoise import confirmed, probabilities
from harness.mining.margin import TopKPercPos
from harness.mining.rank import TopK
from tests.mining.pools import candidates, chosen, frozen, one_row, pools, removed

BRIEF = settings(max_examples=80, deadline=None)


@BRIEF
@given(pool=pools(), k=st.integers(1, 6), scan=st.integers(0, 8), seed=st.integers(0, 2**32))
def test_confirmed_candidates_come_first_then_unscored_ones(pool: Pool, k: int, scan: int, seed: int) -> None:
    table = np.random.default_rng(seed).choice([0.0, 0.1, 0.2], pool.score.shape).astype(np.float32)

    result = confirmed(TopK(k=k), pool, table == 0.0, np.random.default_rng(seed), scan=scan)

    for row in range(len(pool.query)):
        listed = candidates(pool, row)
        scanned = [candidate for candidate in listed if candidate.column < scan]
        good = [candidate.document for candidate in scanned if table[row, candidate.column] == 0.0][:k]
        behind = {candidate.document for candidate in listed if candidate.column >= scan}
        taken = chosen(result, row)
        assert good == taken[: len(good)]
        assert set(taken[len(good) :]) <= behind
        assert min(k, len(good) + len(behind)) == len(taken)
        assert [c.column for c in scanned if table[row, c.column] != 0.0] == removed(result, row)


def test_the_fallback_is_uniform() -> None:
    pair = one_row([0.9, 0.8, 0.7, 0.6, 0.5], 1.0)
    n = 5000
    keys = np.random.default_rng(3).integers(0, 2**63, n, dtype=np.uint64)
    pool = frozen(replace(pair.rows(np.zeros(n, dtype=np.int64)), pair_key=keys))

    result = confirmed(TopK(k=1), pool, np.zeros((n, 5), dtype=np.bool_), np.random.default_rng(0), scan=1)

    counts = Counter(result.document[:, 0].tolist())
    assert {1, 2, 3, 4} == set(counts)
    assert all(abs(count - n / 4) < 5 * np.sqrt(n / 4 * 3 / 4) for count in counts.values())


def test_probabilities_of_logits() -> None:
    logit = np.array([-1000.0, -2.0, 0.0, 2.0, 1000.0], dtype=np.float32)

    assert np.allclose([0.0, 1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-2)), 1.0], probabilities(logit))


@BRIEF
@given(pool=pools(), scan=st.integers(0, 8), seed=st.integers(0, 2**32))
def test_what_the_miner_refuses_is_no_fallback_either(pool: Pool, scan: int, seed: int) -> None:
    irrelevant = np.random.default_rng(seed).random(pool.score.shape) < 0.5
    miner = TopKPercPos(k=3, share=0.5)

    result = confirmed(miner, pool, irrelevant, np.random.default_rng(seed), scan=scan)

    for row in range(len(pool.query)):
        allowed = set(chosen(TopKPercPos(k=12, share=0.5).select(pool, np.random.default_rng(0)), row))
        assert set(chosen(result, row)) <= allowed
        assert not set(chosen(result, row)) & set(pool.document[row][result.removed[row]].tolist())


@BRIEF
@given(pool=pools(), k=st.integers(1, 6))
def test_a_scan_of_the_whole_pool_that_confirms_all_changes_nothing(pool: Pool, k: int) -> None:
    rng = np.random.default_rng(0)

    result = confirmed(TopK(k=k), pool, np.ones_like(pool.eligible), rng, scan=pool.document.shape[1])

    assert np.array_equal(result.document, TopK(k=k).select(pool, rng).document)
    assert not result.removed.any()
