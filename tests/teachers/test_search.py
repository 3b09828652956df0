import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import NumericError
from harness.mining.base import PADDING
from harness.teachers.search import exact_top_k, id_order


@st.composite
def searches(draw):
    """Make small whole numbers, so that inner products are exact and ties common."""
    n, q, d = draw(st.integers(1, 12)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    documents = rng.integers(-2, 3, (n, d)).astype(np.float32)
    queries = rng.integers(-2, 3, (q, d)).astype(np.float32)
    return queries, documents, draw(st.integers(1, 15)), rng.permutation(n).astype(np.int32)


def by_loops(queries, documents, k, place):
    rows = []
    for query in queries:
        scores = [float(query @ document) for document in documents]
        order = sorted(range(len(documents)), key=lambda index: (-scores[index], place[index]))[:k]
        pad = k - len(order)
        rows.append(([*order, *[PADDING] * pad], [*(scores[index] for index in order), *[-np.inf] * pad]))
    return rows


@settings(deadline=None)
@given(searches(), st.integers(1, 7))
def test_the_search_is_exact_with_ties_by_place_whatever_the_block(search, block):
    queries, documents, k, place = search

    found = exact_top_k(queries, documents, k, place, query_block=block)

    expected = by_loops(queries, documents, k, place)
    assert found.document.tolist() == [row for row, _ in expected]
    assert found.score.tolist() == [scores for _, scores in expected]


@pytest.mark.parametrize("where", ["query", "document"])
def test_an_embedding_that_is_not_finite_is_named(where):
    queries, documents = np.ones((3, 2), dtype=np.float32), np.ones((3, 2), dtype=np.float32)
    {"query": queries, "document": documents}[where][1, 0] = np.nan

    with pytest.raises(NumericError, match=f"embedding of {where} 1 holds NaN"):
        exact_top_k(queries, documents, 2, np.arange(3, dtype=np.int32))


def test_places_follow_the_ids():
    assert id_order(["b", "a", "c"]).tolist() == [1, 0, 2]
    assert id_order(["b", "a", "c"], descending=True).tolist() == [1, 2, 0]
