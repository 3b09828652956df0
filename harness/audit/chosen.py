"""What the chosen negatives of a run are: contamination, hardness, yield and score distributions."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.collection import Judgements
from harness.fingerprint import digest
from harness.measures import AuditRecord, Differences, Histograms, Yield
from harness.mining.base import Negatives, Pool
from harness.mining.shortage import Served

__all__ = ["auc", "audit", "difference_edges", "is_hidden", "negatives_digest", "overlap", "score_edges", "yields"]

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Kind = Literal["positive", "negative", "removed", "hidden"]

_BINS = 60
_LOW_COSINE = -0.2
"""Cosines of unrelated texts lie below zero: room for random negatives, which no search returns."""


def yields(served: Served, trained: BoolArray, k: int) -> Yield:
    """Count what became of the pairs; `trained` (n,) are those that were trained on in the end."""
    return Yield(
        full=int((served.mined >= k).sum()),
        partial=int(((served.mined > 0) & (served.mined < k)).sum()),
        empty=int((served.mined == 0).sum()),
        backfilled=int(served.filled[trained].sum()),
        dropped=int((~trained).sum()),
        trained=int(trained.sum()),
    )


def audit(pool: Pool, negatives: Negatives, rows: Judgements, trained: BoolArray) -> AuditRecord:
    """Describe the negatives of the pairs that are trained on.

    `negatives.score` should hold the teacher's score of every negative, also of those
    that did not come from the pool; `rows` are the judgements of the pool's split.
    """
    filled = negatives.filled & trained[:, None]
    hidden = is_hidden(pool, negatives, rows) & filled
    scored = filled & np.isfinite(negatives.score)
    gap = (negatives.score - pool.positive[:, None])[scored]
    positive, negative = pool.positive[trained], negatives.score[scored]
    removed = negatives.removed & trained[:, None]
    concealed = pool.hidden & pool.eligible & trained[:, None]
    edges = score_edges(pool)
    kinds: dict[Kind, FloatArray] = {
        "positive": positive,
        "negative": negative,
        "removed": pool.score[removed],
        "hidden": pool.score[concealed],
    }
    apart = difference_edges(pool)
    total = int(filled.sum())
    return AuditRecord(
        negatives=total,
        hidden=int(hidden.sum()),
        contamination=float(hidden.sum() / total) if total else 0.0,
        hardness=float(gap.mean(dtype=np.float64)) if gap.size else None,
        removed=int(removed.sum()),
        hidden_removed=int((removed & pool.hidden).sum()),
        hidden_in_pool=int(concealed.sum()),
        overlap=overlap(positive, negative),
        auc=auc(positive, negative),
        histograms=Histograms(
            edges=tuple(float(edge) for edge in edges),
            counts={kind: _counted(scores, edges) for kind, scores in kinds.items()},
        ),
        differences=Differences(edges=tuple(map(float, apart)), counts=_counted(-gap, apart)),
    )


def _counted(scores: FloatArray, edges: npt.NDArray[np.float64]) -> tuple[int, ...]:
    """Count scores per bin; what lies outside counts in the first or last."""
    counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), bins=edges)
    return tuple(int(count) for count in counts)


def score_edges(pool: Pool) -> npt.NDArray[np.float64]:
    """Return bin edges over all scores of the pool, so that every miner on it has the same axis.

    The axis begins at 0 or below, where random negatives lie.
    """
    scores = np.concatenate([pool.score[np.isfinite(pool.score)], pool.positive]).astype(np.float64)
    low, high = min(float(scores.min()), 0.0), float(scores.max())
    if low >= -1.0 and high <= 1.0:
        low = min(low, _LOW_COSINE)
    return np.linspace(low, high if high > low else low + 1.0, _BINS + 1)


def difference_edges(pool: Pool) -> npt.NDArray[np.float64]:
    """Return bin edges over positive minus negative score, for any negative that `score_edges` has room for.

    They depend on the pool alone, so that every miner on it has the same axis, and 0 is
    one of them.
    """
    best = pool.score.max(axis=1, initial=-np.inf)
    low, high = float((pool.positive - best).min(initial=0.0)), float(pool.positive.max() - score_edges(pool)[0])
    width = (high - low) / _BINS if high > low else 1.0 / _BINS
    return width * np.arange(np.floor(low / width), max(np.ceil(high / width), 1.0) + 1.0) + 0.0  # no -0.0


def is_hidden(pool: Pool, negatives: Negatives, rows: Judgements) -> BoolArray:
    """Tell which negatives are hidden positives of their query, in the pool or not. Shape (n, k)."""
    width = pool.n_documents
    truth = rows.query[rows.concealed].astype(np.int64) * width + rows.document[rows.concealed]
    chosen = pool.query[:, None].astype(np.int64) * width + negatives.document
    return np.isin(chosen, truth) & negatives.filled


def overlap(left: FloatArray, right: FloatArray) -> float | None:
    """Return the overlap coefficient of two samples' densities over 60 common bins, from 0 to 1."""
    if not left.size or not right.size:
        return None
    low, high = float(min(left.min(), right.min())), float(max(left.max(), right.max()))
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    shares = [np.histogram(sample, bins=edges)[0] / sample.size for sample in (left, right)]
    return float(np.minimum(*shares).sum())


def auc(positive: FloatArray, negative: FloatArray) -> float | None:
    """Return the probability that a positive scores above a negative; ties count half."""
    if not positive.size or not negative.size:
        return None
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    not_above = np.searchsorted(ordered, positive, side="right")
    return float((below + not_above).sum(dtype=np.float64) / (2.0 * positive.size * negative.size))


def negatives_digest(names: tuple[tuple[str, ...], tuple[str, ...]], pool: Pool, negatives: Negatives) -> str:
    """Digest query id, positive id and negative ids of every pair; `names` are query and document ids."""
    queries, documents = names
    table = [
        [queries[query], documents[positive], *(documents[index] for index in line if index >= 0)]
        for query, positive, line in zip(
            pool.query.tolist(), pool.positive_document.tolist(), negatives.document.tolist(), strict=True
        )
    ]
    return digest(table)
