"""Rank the whole corpus for the judged queries of a split, and score each query."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.collection import Collection, IntArray, Judgements
from harness.evaluation.metrics import DEEPEST, per_query_metrics
from harness.evaluation.own_document import own_documents
from harness.evaluation.separation import HARD, auc_per_query
from harness.mining.base import PADDING
from harness.run_tables import Ranking
from harness.spec import DropOwn
from harness.teachers.base import Candidates
from harness.teachers.rows import Rows, inner_products
from harness.teachers.search import exact_top_k, id_order, reordered

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["evaluate_split", "ranked_split", "runs_of"]

FloatArray = npt.NDArray[np.float32]


def evaluate_split(
    collection: Collection, split: str, queries: FloatArray, documents: FloatArray, *, drop_own: DropOwn = "auto"
) -> "pd.DataFrame":
    """Return one row per judged query of `split`, with the columns of `record.PER_QUERY_COLUMNS`.

    `queries` (q, d) are unit vectors of the split's distinct queries in ascending order,
    `documents` (n, d) those of the corpus. Every relevant document counts, hidden or
    not. Ties are ordered as trec_eval does: by descending document id. A query's own
    document is left out as `drop_own` says; if it is judged relevant, it then counts as
    not found. The AUC of a query compares its relevant documents, by their exact scores
    wherever they rank, with its hardest non-positives.
    """
    return _scored(collection, split, queries, documents, drop_own)[0]


def ranked_split(
    collection: Collection, split: str, queries: FloatArray, documents: FloatArray, *, drop_own: DropOwn = "auto"
) -> "tuple[pd.DataFrame, Ranking]":
    """Return what `evaluate_split` does, with the ranking that it is measured on, down to the deepest metric."""
    frame, top = _scored(collection, split, queries, documents, drop_own)
    names = tuple(frame["query_id"])
    row = {collection.query_ids[query]: place for place, query in enumerate(collection.split(split).queries)}
    order = [row[name] for name in names]
    return frame, Ranking(split, names, collection.document_ids, top.document[order], top.score[order])


def _scored(
    collection: Collection, split: str, queries: FloatArray, documents: FloatArray, drop_own: DropOwn
) -> "tuple[pd.DataFrame, Candidates]":
    """Return the metrics, sorted by query id, and the ranking, in the order of `queries`."""
    rows = collection.split(split)
    own = own_documents(collection, split, drop_own)
    found = _ranked(queries, documents, rows, own, id_order(collection.document_ids, descending=True))
    top = Candidates(document=found.document[:, :DEEPEST], score=found.score[:, :DEEPEST])
    frame = per_query_metrics(_qrels(collection, rows), runs_of(collection, rows, top))
    names = [collection.query_ids[query] for query in rows.queries]
    auc = dict(zip(names, _auc(queries, documents, rows, own, found).tolist(), strict=True))
    frame["auc"] = frame["query_id"].map(auc).astype("float64")
    frame.insert(0, "split", split)
    return frame, top


def _ranked(queries: FloatArray, documents: FloatArray, rows: Judgements, own: IntArray, place: IntArray) -> Candidates:
    """Rank deep enough for HARD non-positives of every query, without its own document."""
    most = int(np.bincount(rows.query[rows.grade > 0]).max(initial=0))
    depth = max(DEEPEST, HARD + most)
    dropping = bool((own != PADDING).any())
    found = exact_top_k(queries, documents, depth + dropping, place)
    if not dropping:
        return found
    itself = (found.document == own[:, None]) & (found.document != PADDING)
    kept = np.where(itself, PADDING, found.document)
    left = reordered(kept, np.where(itself, -np.inf, found.score).astype(np.float32), place)
    return Candidates(document=left.document[:, :depth], score=left.score[:, :depth])


def _auc(
    queries: FloatArray, documents: FloatArray, rows: Judgements, own: IntArray, found: Candidates
) -> npt.NDArray[np.float64]:
    relevant = rows.grade > 0
    document = rows.document[relevant].astype(np.int64)
    row = np.searchsorted(rows.queries, rows.query[relevant])
    score = inner_products(Rows(queries), Rows(documents), row, document)
    score[document == own[row]] = -np.inf  # what was dropped is behind everything
    return auc_per_query(found, row, document, score)


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
