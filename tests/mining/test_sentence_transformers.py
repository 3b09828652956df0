"""Our miners against `sentence_transformers.util.mine_hard_negatives` on the same vectors.

Where the semantics agree the negatives are equal, in the same order. Where they differ,
a test states the difference: the library measures against the lowest of several
positives, and skips ranks after filtering. Candidates exactly at a ceiling, which the
library keeps, are the subject of test_margin.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.mining.base import PADDING, Miner, Pool, key_of
from harness.mining.margin import TopKAbs, TopKMarginPos, TopKPercPos
from harness.mining.rank import TopK, TopKShifted
from tests.mining.pools import chosen

N_DOCUMENTS = 60
N_QUERIES = 25
LIBRARY = {"boundary": "at_or_below", "positive_agg": "min"}


class Table:
    """A model whose embeddings of texts are given."""

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self._vectors = vectors
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
    mined = mine_hard_negatives(
        data,
        model,
        corpus=[f"document {i}" for i in range(N_DOCUMENTS)],
        range_max=N_DOCUMENTS - 3,
        num_negatives=4,
        output_format="triplet",
        verbose=False,
        **settings,
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
