"""Evaluate a model by beir's exact search and its metrics, around their traps."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.collection import Collection
from harness.evaluation.asked import asked_of
from harness.spec import DropOwn
from harness.teachers.dense import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sentence_transformers import SentenceTransformer

__all__ = ["evaluate_by_beir"]

FloatArray = npt.NDArray[np.float32]
_TWIN = "\x00"
"""Names the query that keeps a single one company; no judgement is for it."""


def evaluate_by_beir(
    model: "SentenceTransformer", collection: Collection, split: str, drop_own: DropOwn = "auto"
) -> dict[str, float]:
    """Return beir's means over the queries of a split that have a relevant document, rounded by it to five decimals.

    beir averages over the queries that it has results of: all are asked. It cannot
    search for exactly one query: that one is asked twice. Its MRR breaks ties as they
    come, not by document id, so that it can differ from trec_eval's where scores tie.
    Raises NumericError that names the text if an embedding is not finite.
    """
    from beir.retrieval.evaluation import EvaluateRetrieval
    from beir.retrieval.search.dense import DenseRetrievalExactSearch

    asked = asked_of(collection, split, drop_own)
    corpus = {name: {"title": "", "text": text} for name, text in asked.documents.items()}
    queries = dict(asked.queries)
    if len(queries) == 1:
        queries[_TWIN] = next(iter(queries.values()))
    search = EvaluateRetrieval(DenseRetrievalExactSearch(_Encoder(model)), score_function="cos_sim")
    found = search.retrieve(corpus, queries)
    found = {query: found[query] for query in asked.queries}
    ndcg, mean_precision, recall, _ = search.evaluate(asked.qrels, found, [10, 100])
    mrr = search.evaluate_custom(asked.qrels, found, [10], metric="mrr")
    return {
        "ndcg_at_10": ndcg["NDCG@10"],
        "mrr_at_10": mrr["MRR@10"],
        "recall_at_10": recall["Recall@10"],
        "recall_at_100": recall["Recall@100"],
        "map_at_100": mean_precision["MAP@100"],
    }


class _Encoder:
    """What beir asks of a model, answered by the encoder that our own evaluation uses, with its guard."""

    def __init__(self, model: "SentenceTransformer") -> None:
        self._model = model

    def encode_queries(self, queries: "Sequence[str]", **settings: object) -> FloatArray:
        """Return unit vectors. Shape (n, d)."""
        del settings
        return encode(self._model, queries)

    def encode_corpus(self, corpus: "Sequence[Mapping[str, str]]", **settings: object) -> FloatArray:
        """Return unit vectors. Shape (n, d)."""
        del settings
        return encode(self._model, [document["text"] for document in corpus])
