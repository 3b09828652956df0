"""Pools with their truth, for tests of the audit."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from harness.audit.curves import Ground
from harness.audit.resampling import Resamples
from harness.audit.truth import Truth
from harness.collection import Judgements
from harness.mining.base import Pool
from tests.mining.pools import make_pool


def truth_of(pool: Pool, *, rejected: bool = False) -> Truth:
    """Conceal the pool's hidden candidates; with `rejected` every third other candidate is judged non-relevant."""
    rows = set()
    for row in range(len(pool.query)):
        rows.add((int(pool.query[row]), int(pool.positive_document[row]), 1, False))
        for column in np.flatnonzero(pool.eligible[row]).tolist():
            pair = int(pool.query[row]), int(pool.document[row, column])
            if pool.hidden[row, column]:
                rows.add((*pair, 1, True))
            elif rejected and pair[1] % 3 == 0:
                rows.add((*pair, 0, False))
    return Truth(Judgements.of(rows))


def ground_of(pool: Pool, *, k: int = 2, rejected: bool = False) -> Ground:
    resamples = Resamples(pool.group, np.random.default_rng(0))
    return Ground(pool, truth_of(pool, rejected=rejected), resamples, 0, k)


@st.composite
def grounds(draw: DrawFn) -> Ground:
    """Draw a small pool with its truth; sometimes some candidates are judged non-relevant."""
    pool = make_pool(
        np.random.default_rng(draw(st.integers(0, 2**32))),
        queries=draw(st.integers(1, 4)),
        documents=draw(st.integers(1, 16)),
        depth=draw(st.integers(1, 12)),
    )
    return ground_of(pool, k=draw(st.integers(1, 4)), rejected=draw(st.booleans()))


def large_ground(*, queries: int = 300, k: int = 4) -> Ground:
    """Build a ground on which shares can be told apart."""
    return ground_of(make_pool(np.random.default_rng(5), queries=queries, documents=60, depth=40, levels=1000), k=k)
