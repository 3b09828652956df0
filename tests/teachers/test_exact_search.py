from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import NumericError
from harness.mining.base import PADDING
from harness.teachers import search as module
from harness.teachers.base import Candidates, Resources
from harness.teachers.rows import Rows, inner_products
from harness.teachers.search import exact_top_k, id_order

ENGINES = ["torch", pytest.param("faiss", marks=pytest.mark.skipif(find_spec("faiss") is None, reason="no faiss"))]


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


def using(memory: int, engine: str = "torch") -> Resources:
    return Resources(memory=memory, device="cpu", engine=engine)


def equal(left: Candidates, right: Candidates) -> bool:
    return np.array_equal(left.document, right.document) and np.array_equal(left.score, right.score)


@pytest.mark.parametrize("engine", ENGINES)
@settings(deadline=None)
@given(search=searches(), memory=st.integers(1, 3000))
def test_the_search_is_exact_with_ties_by_place_whatever_the_block(engine, search, memory):
    queries, documents, k, place = search

    found = exact_top_k(queries, documents, k, place, resources=using(memory, engine))

    expected = by_loops(queries, documents, k, place)
    assert found.document.tolist() == [row for row, _ in expected]
    assert found.score.tolist() == [scores for _, scores in expected]


@st.composite
def crowded(draw):
    """Make many documents, most of them copies of a few, so that ties reach across every edge."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, distinct, width = draw(st.integers(1, 400)), draw(st.integers(1, 30)), draw(st.integers(1, 40))
    documents = rng.standard_normal((distinct, width)).astype(np.float32)[rng.integers(0, distinct, n)]
    queries = rng.standard_normal((draw(st.integers(1, 20)), width)).astype(np.float32)
    return queries, documents, draw(st.integers(1, 20)), rng.permutation(n).astype(np.int32)


def in_one_go(queries, documents, k, place):
    """Sort all documents by the score that `inner_products` gives, then place."""
    q, n = len(queries), len(documents)
    pairs = np.divmod(np.arange(q * n), n)
    score = inner_products(Rows(queries), Rows(documents), *pairs).reshape(q, n)
    order = np.lexsort((np.broadcast_to(place, score.shape), -score), axis=1)[:, :k]
    pad = ((0, 0), (0, k - order.shape[1]))
    best = np.pad(np.take_along_axis(score, order, axis=1), pad, constant_values=-np.inf)
    return Candidates(np.pad(order, pad, constant_values=PADDING).astype(np.int32), best)


@pytest.mark.parametrize("engine", ENGINES)
@settings(deadline=None, max_examples=60)
@given(search=crowded(), memory=st.integers(1, 200_000), cuts=st.lists(st.integers(0, 400), max_size=3))
def test_neither_blocks_nor_shards_nor_engine_change_a_bit(engine, search, memory, cuts):
    queries, documents, k, place = search
    shards = np.split(documents, sorted(min(cut, len(documents)) for cut in cuts))

    found = exact_top_k(queries, shards, k, place, resources=using(memory, engine))

    assert equal(found, in_one_go(queries, documents, k, place))


@settings(deadline=None, max_examples=40)
@given(search=crowded(), seed=st.integers(0, 2**32 - 1))
def test_neither_the_order_of_documents_nor_of_queries_matters(search, seed):
    queries, documents, k, place = search
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(queries)), rng.permutation(len(documents))

    found = exact_top_k(queries, documents, k, place)
    moved = exact_top_k(queries[rows], documents[columns], k, place[columns])

    original = np.append(columns, PADDING)[moved.document]
    assert np.array_equal(original, found.document[rows])
    assert np.array_equal(moved.score, found.score[rows])


def test_errors_of_float32_never_keep_a_document_out(monkeypatch):
    """Scores wrong by almost the bound that the window allows for, in favour of later documents."""
    rng = np.random.default_rng(5)
    documents = (1 + 1e-6 * rng.standard_normal((500, 64))).astype(np.float32)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    place = np.arange(500, dtype=np.int32)
    product = torch.mm

    def worst(left, right, *, out):
        product(left, right, out=out)
        return out.add_(torch.linspace(-1, 1, out.shape[1])[None, :] * 0.9 * 64 * 2.0**-24)

    monkeypatch.setattr(torch, "mm", worst)
    found = exact_top_k(documents[:7], documents, 10, place)

    assert equal(found, in_one_go(documents[:7], documents, 10, place))


def test_a_score_depends_on_its_pair_alone():
    rng = np.random.default_rng(6)
    left, right = (rng.standard_normal((50, 129)).astype(np.float32) for _ in range(2))
    i, j = rng.integers(0, 50, 5000), rng.integers(0, 50, 5000)

    together = inner_products(Rows(left), Rows(right), i, j)
    alone = [inner_products(Rows(left), Rows(right), i[n : n + 1], j[n : n + 1])[0] for n in range(5000)]
    exact = np.sum(left[i].astype(np.longdouble) * right[j], axis=1)

    assert together.tolist() == alone
    assert np.array_equal(together, exact.astype(np.float32))


def test_mapped_and_half_precision_embeddings_are_searched_as_float32(tmp_path):
    rng = np.random.default_rng(7)
    documents = rng.standard_normal((90, 8)).astype(np.float16)
    np.save(tmp_path / "documents.npy", documents)
    place = np.arange(90, dtype=np.int32)

    found = exact_top_k(documents[:5], np.load(tmp_path / "documents.npy", mmap_mode="r"), 7, place)

    assert equal(found, exact_top_k(documents[:5].astype(np.float32), documents.astype(np.float32), 7, place))


def test_memory_bounds_what_is_multiplied_at_once(monkeypatch):
    rng = np.random.default_rng(8)
    documents, seen = rng.standard_normal((3000, 16)).astype(np.float32), []
    top = module._TorchTop.__call__

    def watched(self, queries, part, k):
        seen.append(len(queries) * (4 * len(part) + 2 * 12 * 4 * k) + part.nbytes)  # four blocks of best, and a copy
        return top(self, queries, part, k)

    monkeypatch.setattr(module._TorchTop, "__call__", watched)
    exact_top_k(documents, documents, 5, np.arange(3000, dtype=np.int32), resources=using(1 << 20))

    assert len(seen) > 10
    assert max(seen) <= 1 << 20


def test_tf32_is_off_while_searching_and_restored_after(monkeypatch):
    seen, product = [], torch.mm

    def watched(left, right, *, out):
        seen.append(torch.get_float32_matmul_precision())
        return product(left, right, out=out)

    monkeypatch.setattr(torch, "mm", watched)
    torch.set_float32_matmul_precision("high")
    try:
        exact_top_k(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32), 1, np.arange(3, dtype=np.int32))
        after = torch.get_float32_matmul_precision()
    finally:
        torch.set_float32_matmul_precision("highest")

    assert (seen, after) == (["highest"], "high")


def test_products_that_leave_float32_are_refused():
    huge = np.full((2, 4), 1e30, dtype=np.float32)

    with pytest.raises(NumericError, match="leave float32"):
        exact_top_k(huge, huge, 1, np.arange(2, dtype=np.int32))


def test_an_empty_corpus_gives_padding():
    found = exact_top_k(np.ones((2, 3), np.float32), np.ones((0, 3), np.float32), 2, np.empty(0, np.int32))

    assert found.document.tolist() == [[PADDING, PADDING]] * 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_bits():
    rng = np.random.default_rng(9)
    documents = rng.standard_normal((5000, 96)).astype(np.float32)
    place = rng.permutation(5000).astype(np.int32)

    found = exact_top_k(documents[:300], documents, 50, place, resources=Resources(device="cuda"))

    assert equal(found, exact_top_k(documents[:300], documents, 50, place, resources=using(1 << 22)))


@pytest.mark.parametrize("where", ["query", "document"])
def test_an_embedding_that_is_not_finite_is_named(where):
    queries, documents = np.ones((3, 2), dtype=np.float32), np.ones((3, 2), dtype=np.float32)
    {"query": queries, "document": documents}[where][1, 0] = np.nan

    with pytest.raises(NumericError, match=f"embedding of {where} 1 holds NaN"):
        exact_top_k(queries, documents, 2, np.arange(3, dtype=np.int32))


def test_places_follow_the_ids():
    assert id_order(["b", "a", "c"]).tolist() == [1, 0, 2]
    assert id_order(["b", "a", "c"], descending=True).tolist() == [1, 2, 0]
