"""How well a query's relevant documents are told from the documents that come closest to them."""

import numpy as np
import numpy.typing as npt

from harness.mining.base import PADDING
from harness.teachers.base import Candidates

__all__ = ["HARD", "auc_per_query"]

FloatArray = npt.NDArray[np.float32]
LongArray = npt.NDArray[np.int64]
HARD = 500
"""Non-positives of a query that its relevant documents are compared with: those that score highest."""


def auc_per_query(found: Candidates, row: LongArray, document: LongArray, score: FloatArray) -> npt.NDArray[np.float64]:
    """Return the probability that a relevant document scores above a hard non-positive, ties counting half.

    Shape (q,), for the q rows of `found`; NaN for a row without a relevant document. `row`
    (ascending), `document` and `score`, all (n,), are the relevant documents of each row
    with their scores, wherever they rank. A hard non-positive is one of the HARD documents of the highest score
    that are not judged relevant, judged otherwise or not at all; `found` must reach deep
    enough. A query without any non-positive has 1.

    After the AUC of Optimizing What Matters (arXiv:2510.00137), which pools the pairs of
    all queries and so compares scores across queries. Here nothing is pooled: a query has
    an AUC of its own, and a mean over queries weighs them alike, however many relevant
    documents they have.
    """
    width = max(int(found.document.max(initial=0)), int(document.max(initial=0))) + 1
    keys = found.document + np.arange(len(found.document), dtype=np.int64)[:, None] * width
    hard = (found.document != PADDING) & ~np.isin(keys, row * width + document)
    start = np.searchsorted(row, np.arange(len(found.document) + 1))
    return np.array(
        [
            _above(score[start[query] : start[query + 1]], found.score[query][hard[query]][:HARD])
            for query in range(len(found.document))
        ],
        dtype=np.float64,
    )


def _above(positive: FloatArray, hard: FloatArray) -> float:
    """Return the share of (positive, hard) pairs that are in order; `hard` descends."""
    if not positive.size:
        return float("nan")
    if not hard.size:
        return 1.0
    ascending = hard[::-1]
    below, reached = (np.searchsorted(ascending, positive, side=side) for side in ("left", "right"))
    return float(np.mean(below + reached) / (2 * len(hard)))
