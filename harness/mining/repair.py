"""What happens to a mined negative that is suspected to be relevant after all.

The suspicion comes from elsewhere: a judge, a second teacher, the hidden positives.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.mining.base import PADDING, BoolArray, FloatArray, IntArray, Negatives, Pool
from harness.spec import RepairSpec

__all__ = ["Repaired", "repaired"]

_QUERY_STRIDE = np.int64(2**32)


@dataclass(frozen=True)
class Repaired:
    """Negatives after repair.

    `weight` (n, k) is 1 but for negatives weighted down, and 0 on padding; their mean is
    left below 1, which lowers the effective learning rate. `trained` (n,) is False for
    the pairs of dropped queries. `suspects` (n, s) are the suspected documents of each
    row's query, PADDING behind. `added_row`, `added_document` (r,) are the new positive
    pairs: a row of the query in question, and the document; each (query, document) once.
    """

    negatives: Negatives
    weight: FloatArray
    trained: BoolArray
    suspects: IntArray
    added_row: IntArray
    added_document: IntArray


def repaired(negatives: Negatives, pool: Pool, suspected: BoolArray, rule: RepairSpec) -> Repaired:
    """Act on the negatives that `suspected` (n, k) marks, and drop queries with too many (RLHN, arXiv:2505.16967).

    - `drop_negative`: take it out of the negatives (RLHN's remove HN);
    - `relabel_positive`: take it out and add it to the positives (RLHN's relabel);
    - `drop_query`: drop the query (RLHN's remove);
    - `downweight`: keep it with the rule's weight.

    A query with more than `rule.cap` suspected documents is dropped whatever the action; the
    released code drops above 8, the paper says above 7; None drops none. A document
    suspected in one row of a query is suspected in all of them. What is taken out leaves
    padding behind the rest and joins `removed`. (One that was drawn from outside the
    pool has no place there: a fill must avoid `suspects`.)
    """
    query, suspected, pairs = _of_queries(negatives, pool, suspected)
    count = np.bincount(pairs // _QUERY_STRIDE, minlength=int(query.max(initial=-1)) + 1)[query]
    limit = 0 if rule.action == "drop_query" else np.inf if rule.cap is None else rule.cap
    trained = count <= limit
    added = np.zeros(0, dtype=np.int64)
    if rule.action == "relabel_positive":
        added = pairs[np.isin(pairs // _QUERY_STRIDE, query[trained])]
    if rule.action in {"drop_negative", "relabel_positive"}:
        negatives = _without(negatives, suspected)
        suspected = np.zeros_like(suspected)
    lowered = suspected & (rule.weight is not None)
    _, first_row = np.unique(query, return_index=True)
    return Repaired(
        negatives=negatives,
        weight=np.where(lowered, 1.0 if rule.weight is None else rule.weight, negatives.filled).astype(np.float32),
        trained=trained,
        suspects=_laid_out(query, pairs, count),
        added_row=first_row[added // _QUERY_STRIDE].astype(np.int32),
        added_document=(added % _QUERY_STRIDE).astype(np.int32),
    )


def _laid_out(query: npt.NDArray[np.int64], pairs: npt.NDArray[np.int64], count: npt.NDArray[np.int64]) -> IntArray:
    """Lay the (query, document) keys out as one padded line per row. Shape (n, most)."""
    start = np.searchsorted(pairs, query * _QUERY_STRIDE)
    place = np.arange(int(count.max(initial=0)))
    inside = place < count[:, None]
    table = np.full(inside.shape, PADDING, dtype=np.int32)
    table[inside] = (pairs[(start[:, None] + place)[inside]] % _QUERY_STRIDE).astype(np.int32)
    return table


def _of_queries(
    negatives: Negatives, pool: Pool, suspected: BoolArray
) -> tuple[npt.NDArray[np.int64], BoolArray, npt.NDArray[np.int64]]:
    """Number the queries, spread suspicion over each one's rows, and list (query, document) as single keys."""
    _, query = np.unique(pool.group, return_inverse=True)
    key = query[:, None] * _QUERY_STRIDE + negatives.document
    pairs = np.unique(key[suspected & negatives.filled])
    return query, np.isin(key, pairs) & negatives.filled, pairs


def _without(negatives: Negatives, gone: BoolArray) -> Negatives:
    """Take out `gone`, close the gaps, and enter it in `removed`."""
    removed = negatives.removed.copy()
    row, column = np.nonzero(gone & (negatives.rank >= 0))
    removed[row, negatives.rank[row, column]] = True
    document = np.where(gone, PADDING, negatives.document)
    order = np.argsort(document == PADDING, axis=1, kind="stable")
    return replace(
        negatives,
        document=np.take_along_axis(document, order, axis=1).astype(np.int32),
        score=np.take_along_axis(np.where(gone, np.nan, negatives.score), order, axis=1).astype(np.float32),
        rank=np.take_along_axis(np.where(gone, PADDING, negatives.rank), order, axis=1).astype(np.int32),
        removed=removed,
    )
