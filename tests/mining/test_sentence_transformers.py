"""Our miners against `sentence_transformers.util.mine_hard_negatives` on the same vectors.

Where the semantics agree the negatives are equal, in the same order. Where they differ,
a test states the difference: the library measures against the lowest of several
positives, skips ranks after filtering, keeps candidates exactly at a ceiling, and drops
a query that it cannot serve.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.collection import Collection, Judgements
from harness.mining.base import PADDING, Miner, Pool, key_of
from harness.mining.margin import TopKAbs, TopKMarginPos, TopKPercPos
from harness.mining.rank import RankWindow, TopK, TopKShifted
from harness.store import Store
from harness.teachers.base import Workspace, build_pool
from harness.teachers.dense import BiEncoder
from tests.mining.pools import chosen

N_DOCUMENTS = 60
N_QUERIES = 25
LIBRARY = {"boundary": "at_or_below", "positive_agg": "min"}


class Table:
    """A model whose embeddings of texts are given."""

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self._vectors = vectors
        self.n_documents = sum(text.startswith("document") for text in vectors)
        self.device = "cpu"
        self.model_card_data = SimpleNamespace(base_model=None)

    def get_embedding_dimension(self) -> int:
        return len(next(iter(self._vectors.values())))

    def encode_query(self, texts: list[str], **_: Any) -> np.ndarray:
        return np.stack([self._vectors[text] for text in texts])

    encode_document = encode_query

    def similarity(self, left: Any, right: Any) -> Any:
        import torch

        return torch.as_tensor(left) @ torch.as_tensor(right).T

    def similarity_pairwise(self, left: Any, right: Any) -> Any:
        import torch

        return (torch.as_tensor(left) * torch.as_tensor(right)).sum(dim=-1)


@pytest.fixture(scope="module")
def problem() -> tuple[Table, list[tuple[int, int]], Pool]:
    """One to three positives per query; a pool as deep as the corpus."""
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(N_DOCUMENTS + N_QUERIES, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [*(f"document {i}" for i in range(N_DOCUMENTS)), *(f"query {i}" for i in range(N_QUERIES))]
    score = vectors[N_DOCUMENTS:] @ vectors[:N_DOCUMENTS].T
    near = np.argsort(-score, axis=1)[:, :20]
    pairs = [
        (q, int(d)) for q in range(N_QUERIES) for d in sorted(rng.choice(near[q], 1 + q % 3, replace=False).tolist())
    ]
    query, positive = np.array(pairs, dtype=np.int32).T
    own = [[d for q, d in pairs if q == each] for each in query]
    document = np.argsort(-score, axis=1, kind="stable").astype(np.int32)[query]
    eligible = np.array([[d not in own[row] for d in document[row]] for row in range(len(pairs))])
    pool = Pool(
        document=document,
        score=np.take_along_axis(score[query], document, axis=1),
        positive=score[query, positive],
        eligible=eligible,
        hidden=np.zeros_like(eligible),
        query=query,
        positive_document=positive,
        group=query,
        excluded=np.array([[*each, *[PADDING] * (3 - len(each))] for each in own], dtype=np.int32),
        pair_key=np.array([key_of(f"{q} {d}") for q, d in pairs], dtype=np.uint64),
        document_key=np.array([key_of(name) for name in names[:N_DOCUMENTS]], dtype=np.uint64),
    )
    return Table(dict(zip(names, vectors, strict=True))), pairs, pool


def library(model: Table, pairs: list[tuple[int, int]], **settings: Any) -> dict[tuple[int, int], list[int]]:
    """Mine with the library; negatives of each (query, positive) in order."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    data = Dataset.from_dict({"query": [f"query {q}" for q, _ in pairs], "answer": [f"document {d}" for _, d in pairs]})
    fixed = {"range_max": N_DOCUMENTS - 3, "num_negatives": 4, "output_format": "triplet", "verbose": False}
    mined = mine_hard_negatives(
        data, model, corpus=[f"document {i}" for i in range(model.n_documents)], **(fixed | settings)
    )
    found: dict[tuple[int, int], list[int]] = {}
    for row in mined:
        query, positive, negative = (int(row[name].split()[1]) for name in ("query", "answer", "negative"))
        found.setdefault((query, positive), []).append(negative)
    return found


def ours(miner: Miner, pairs: list[tuple[int, int]], pool: Pool) -> dict[tuple[int, int], list[int]]:
    result = miner.select(pool, np.random.default_rng(0))
    return {pair: chosen(result, row) for row, pair in enumerate(pairs) if chosen(result, row)}


@pytest.mark.parametrize(
    ("miner", "settings"),
    [
        (TopK(), {}),
        (TopKShifted(shift=5), {"range_min": 5}),
        (RankWindow(start=7, stop=9, k=4), {"range_min": 7, "range_max": 9, "num_negatives": 2}),
        (TopKAbs(threshold=0.6), {"max_score": 0.6}),
        (TopKMarginPos(margin=0.1, **LIBRARY), {"absolute_margin": 0.1}),  # type: ignore[arg-type]
        (TopKPercPos(share=0.8, **LIBRARY), {"relative_margin": 0.2}),  # type: ignore[arg-type]
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_library_mines_the_same_negatives(problem: Any, miner: Miner, settings: dict[str, Any]) -> None:
    model, pairs, pool = problem

    assert library(model, pairs, **settings) == ours(miner, pairs, pool)


def test_the_library_measures_every_positive_against_the_lowest(problem: Any) -> None:
    model, pairs, pool = problem
    single = [pair for pair in pairs if sum(q == pair[0] for q, _ in pairs) == 1]

    theirs = library(model, pairs, relative_margin=0.2)
    per_pair = ours(TopKPercPos(share=0.8, boundary="at_or_below"), pairs, pool)

    assert theirs != per_pair
    assert {pair: theirs.get(pair) for pair in single} == {pair: per_pair.get(pair) for pair in single}


def test_the_library_skips_ranks_after_filtering(problem: Any) -> None:
    model, pairs, pool = problem
    unskipped = ours(TopKPercPos(k=64, share=0.8, **LIBRARY), pairs, pool)  # type: ignore[arg-type]

    theirs = library(model, pairs, relative_margin=0.2, range_min=2)

    assert theirs == {pair: negatives[2:6] for pair, negatives in unskipped.items() if negatives[2:]}


class Given(BiEncoder):
    """A teacher with the embeddings of a Table."""

    def __init__(self, model: Table) -> None:
        self._model = model

    def identity(self) -> str:
        return "given"

    def embed_documents(self, collection: Collection, work: Workspace) -> np.ndarray:
        return self._model.encode_query(list(collection.document_texts))

    def embed_queries(self, collection: Collection, work: Workspace) -> np.ndarray:
        return self._model.encode_query(list(collection.query_texts))


def pool_of(model: Table, pairs: list[tuple[int, int]], folder: Path) -> Pool:
    """Search and build a pool as a run does."""
    n_queries = 1 + max(query for query, _ in pairs)
    collection = Collection(
        "given",
        tuple(f"d{row:03}" for row in range(model.n_documents)),
        tuple(f"document {row}" for row in range(model.n_documents)),
        tuple(f"q{row:03}" for row in range(n_queries)),
        tuple(f"query {row}" for row in range(n_queries)),
        {"train": Judgements.of((query, document, 1, False) for query, document in pairs)},
    )
    return build_pool(Given(model), collection, "train", model.n_documents, Workspace(Store(folder)))


@pytest.mark.parametrize(
    ("miner", "settings"),
    [(TopK(), {}), (TopKPercPos(share=0.8, **LIBRARY), {"relative_margin": 0.2})],  # type: ignore[arg-type]
    ids=lambda value: type(value).__name__,
)
def test_from_search_to_negatives_the_library_agrees(
    problem: Any, tmp_path: Path, miner: Miner, settings: dict[str, Any]
) -> None:
    model, pairs, _ = problem

    assert library(model, pairs, **settings) == ours(miner, pairs, pool_of(model, pairs, tmp_path))


@pytest.fixture
def ladder(tmp_path: Path) -> tuple[Table, list[tuple[int, int]], Pool]:
    """One query whose positive scores 1 and whose candidates score 0.75, 0.5 and 0.25."""
    scores = {"query 0": 1.0, "document 0": 1.0, "document 1": 0.75, "document 2": 0.5, "document 3": 0.25}
    model = Table({text: np.array([score, 0.0], dtype=np.float32) for text, score in scores.items()})
    return model, [(0, 0)], pool_of(model, [(0, 0)], tmp_path)


@pytest.mark.parametrize(
    ("miner", "setting"),
    [
        (TopKAbs, {"threshold": 0.5, "max_score": 0.5}),
        (TopKMarginPos, {"margin": 0.5, "absolute_margin": 0.5}),
        (TopKPercPos, {"share": 0.5, "relative_margin": 0.5}),
    ],
    ids=["absolute", "margin", "share"],
)
def test_the_library_keeps_what_is_exactly_at_the_ceiling(ladder: Any, miner: Any, setting: dict[str, float]) -> None:
    model, pairs, pool = ladder
    (name, value), (theirs, _) = setting.items()

    found = library(model, pairs, range_max=3, num_negatives=3, **{theirs: value})

    assert found == {(0, 0): [2, 3]}
    assert found == ours(miner(boundary="at_or_below", **{name: value}), pairs, pool)
    assert ours(miner(boundary="below", **{name: value}), pairs, pool) == {(0, 0): [3]}


def test_the_library_drops_a_query_that_it_cannot_serve_in_full(ladder: Any) -> None:
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    model, _, pool = ladder
    settings = {"range_max": 3, "num_negatives": 3, "max_score": 0.5, "output_format": "n-tuple", "verbose": False}

    data = Dataset.from_dict({"query": ["query 0"], "answer": ["document 0"]})
    theirs = mine_hard_negatives(data, model, corpus=[f"document {i}" for i in range(4)], **settings)
    mined = TopKAbs(k=3, threshold=0.5, boundary="at_or_below").select(pool, np.random.default_rng(0))

    assert len(theirs) == 0
    assert mined.document.tolist() == [[2, 3, PADDING]]
