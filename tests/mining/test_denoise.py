"""Confirmation by a second teacher, against a plain loop."""

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mining.base import Pool
from harness.mining.denoise import Confirmed, probabilities
from tests.mining.pools import candidates, chosen, frozen, one_row, pools, removed

BRIEF = settings(max_examples=80, deadline=None)


@BRIEF
@given(pool=pools(), k=st.integers(1, 6), scan=st.integers(0, 8), seed=st.integers(0, 2**32))
def test_confirmed_candidates_come_first_then_unscored_ones(pool: Pool, k: int, scan: int, seed: int) -> None:
    table = np.random.default_rng(seed).choice([0.0, 0.1, 0.2], pool.score.shape).astype(np.float32)

    result = Confirmed(k=k, ceiling=0.1, scan=scan).select(pool, table, np.random.default_rng(seed))

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

    result = Confirmed(k=1, scan=1).select(pool, np.ones((n, 5), dtype=np.float32), np.random.default_rng(0))

    counts = Counter(result.document[:, 0].tolist())
    assert {1, 2, 3, 4} == set(counts)
    assert all(abs(count - n / 4) < 5 * np.sqrt(n / 4 * 3 / 4) for count in counts.values())


def test_probabilities_of_logits() -> None:
    logit = np.array([-1000.0, -2.0, 0.0, 2.0, 1000.0], dtype=np.float32)

    assert np.allclose([0.0, 1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-2)), 1.0], probabilities(logit))
