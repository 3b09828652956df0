"""Rank the whole corpus for the judged queries of a split, and score each query."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.collection import Collection, Judgements
from harness.evaluation.metrics import per_query_metrics
from harness.mining.base import PADDING
from harness.teachers.base import Candidates
from harness.teachers.search import exact_top_k, id_order

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DEPTH", "evaluate_split", "runs_of"]

FloatArray = npt.NDArray[np.float32]
DEPTH = 100
"""Ranks kept of each query: what recall@100 needs."""


def evaluate_split(collection: Collection, split: str, queries: FloatArray, documents: FloatArray) -> "pd.DataFrame":
    """Return one row per judged query of `split`, with the columns of `record.PER_QUERY_COLUMNS`.

    `queries` (q, d) are unit vectors of the split's distinct queries in ascending order,
    `documents` (n, d) those of the corpus. Every relevant document counts, hidden or
    not. Ties are ordered as trec_eval does: by descending document id.
    """
    rows = collection.split(split)
    place = id_order(collection.document_ids, descending=True)
    found = exact_top_k(queries, documents, DEPTH, place)
    frame = per_query_metrics(_qrels(collection, rows), runs_of(collection, rows, found))
    frame.insert(0, "split", split)
    return frame


def runs_of(collection: Collection, rows: Judgements, found: Candidates) -> dict[str, dict[str, float]]:
    """Return query id -> document id -> score for candidates in the order of `rows.queries`."""
    return {
        collection.query_ids[query]: {
            collection.document_ids[document]: float(score)
            for document, score in zip(found.document[row], found.score[row], strict=True)
            if document != PADDING
        }
        for row, query in enumerate(rows.queries)
    }


def _qrels(collection: Collection, rows: Judgements) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for query, document, grade in zip(rows.query, rows.document, rows.grade, strict=True):
        qrels.setdefault(collection.query_ids[query], {})[collection.document_ids[document]] = int(grade)
    return qrels
