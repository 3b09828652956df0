"""The two bounds: removal that knows, removal by chance."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mining.base import Pool
from harness.mining.oracle import Oracle, RandomRemoval
from harness.mining.rank import TopK
from tests.mining.pools import candidates, chosen, make_pool, pools, removed

BRIEF = settings(max_examples=60, deadline=None)


@BRIEF
@given(pool=pools(), k=st.integers(1, 6))
def test_the_oracle_removes_hidden_positives_and_nothing_else(pool: Pool, k: int) -> None:
    result = Oracle(k=k).select(pool, np.random.default_rng(0))

    for row in range(len(pool.query)):
        listed = candidates(pool, row)
        assert [candidate.document for candidate in listed if not candidate.hidden][:k] == chosen(result, row)
        assert [candidate.column for candidate in listed if candidate.hidden] == removed(result, row)


@BRIEF
@given(pool=pools(), seed=st.integers(0, 2**32))
def test_random_removal_of_nothing_is_naive_and_of_all_is_empty(pool: Pool, seed: int) -> None:
    rng = np.random.default_rng(seed)

    assert np.array_equal(TopK().select(pool, rng).document, RandomRemoval(removal=0.0).select(pool, rng).document)
    assert np.array_equal(pool.eligible, RandomRemoval(removal=1.0).select(pool, rng).removed)


@BRIEF
@given(pool=pools(), seed=st.integers(0, 2**32), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_larger_removal_includes_the_smaller_one(pool: Pool, seed: int, shares: tuple[float, float]) -> None:
    small, large = (
        RandomRemoval(removal=share).select(pool, np.random.default_rng(seed)).removed for share in sorted(shares)
    )

    assert not (small & ~large).any()


def test_the_share_removed_is_the_one_asked_for_at_every_rank() -> None:
    pool = make_pool(np.random.default_rng(1), queries=400, documents=60, depth=40)

    result = RandomRemoval(removal=0.3).select(pool, np.random.default_rng(2))

    for columns in (slice(0, 5), slice(20, 40)):
        trials = pool.eligible[:, columns].sum()
        assert abs(result.removed[:, columns].sum() - 0.3 * trials) < 5 * np.sqrt(trials * 0.3 * 0.7)
