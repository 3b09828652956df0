"""Several teachers at once: by mixing what each would mine, or by merging their pools.

All pools must have the same pairs in the same rows, over the same corpus. A merged pool
is a pool like any other, so every miner works on it; the mixes take the negatives that
any miner chose from each pool, so that every filter composes with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.mining.base import PADDING, BoolArray, FloatArray, IntArray, Negatives, Pool

__all__ = ["Duplicates", "Mixed", "Normalisation", "among", "cross_sample", "intra_sample", "merged", "relisted"]

Places = npt.NDArray[np.integer]
Normalisation = Literal["rank", "min_max", "z_score"]
"""How one teacher's scores of one row are made comparable with another's."""

Duplicates = Literal["keep", "next"]
"""What an intra-sample mix does with a document that an earlier teacher gave."""


@dataclass(frozen=True)
class Mixed:
    """Negatives of several teachers. All arrays have shape (n, k).

    `teacher` is the index of the pool that gave the document, PADDING where there is
    none; `score` and `rank` are that teacher's.
    """

    document: IntArray
    score: FloatArray
    rank: IntArray
    teacher: IntArray


def cross_sample(mined: Sequence[Negatives], pools: Sequence[Pool], rng: np.random.Generator) -> Mixed:
    """Take all negatives of a pair from one teacher, drawn uniformly (NV-Retriever, arXiv:2407.15831).

    Which teacher depends on `rng` and the pair, not on the order of the rows.
    """
    _check(pools)
    one_column = replace(pools[0], document=np.zeros((len(pools[0].query), 1), dtype=np.int32))
    teacher = (one_column.uniform(rng) * len(mined)).astype(np.int64)
    place = np.arange(mined[0].document.shape[1])[None, :]
    return _gathered(mined, *np.broadcast_arrays(teacher, place))


def intra_sample(mined: Sequence[Negatives], *, k: int | None = None, duplicates: Duplicates = "next") -> Mixed:
    """Take one negative from each teacher in turn until each pair has k (NV-Retriever, arXiv:2407.15831).

    By default there are as many as teachers, as published. With `duplicates="keep"` a
    teacher gives its first, the next time its second, so that a document may come from
    several; with `"next"` it gives the first that is not taken yet. A teacher with none
    left leaves padding, moved behind.
    """
    k = len(mined) if k is None else k
    n = len(mined[0].document)
    teacher = np.broadcast_to(np.arange(k) % len(mined), (n, k))
    if duplicates == "keep":
        place = np.broadcast_to(np.arange(k) // len(mined), (n, k))
        return _gathered(mined, teacher, np.where(place < mined[0].document.shape[1], place, -1))
    place = np.zeros((n, k), dtype=np.int64)
    taken = np.full((n, k), PADDING, dtype=np.int32)
    for number in range(k):
        negatives = mined[number % len(mined)]
        free = negatives.filled & ~(negatives.document[:, :, None] == taken[:, None, :]).any(axis=2)
        place[:, number] = np.where(free.any(axis=1), free.argmax(axis=1), -1)
        first = np.take_along_axis(negatives.document, np.maximum(place[:, [number]], 0), axis=1)
        taken[:, number] = np.where(place[:, number] < 0, PADDING, first[:, 0])
    return _gathered(mined, teacher, place)


def relisted(document: IntArray, mined: Sequence[Negatives], pools: Sequence[Pool]) -> tuple[Negatives, IntArray]:
    """Describe mixed negatives `document` (n, k) in terms of the first pool, and list what the others refused.

    Scores of several teachers cannot be compared: score and rank are the first's, NaN
    and -1 where it does not list the document. `removed` is what any teacher's rule
    refused and the first pool lists; the refusals of the others (n, r), PADDING among
    them, must not come back by way of a fill either.
    """
    first = pools[0]
    refused = [np.where(each.removed, pool.document, PADDING) for each, pool in zip(mined[1:], pools[1:], strict=True)]
    others = np.concatenate([np.zeros((len(document), 0), dtype=np.int32), *refused], axis=1).astype(np.int32)
    place = _places(document, first.document, first.n_documents)
    score = np.take_along_axis(first.score, np.maximum(place, 0), axis=1)
    refusal = among(first.document, others, first.n_documents)
    negatives = Negatives(
        document=document,
        score=np.where(place < 0, np.nan, score).astype(np.float32),
        rank=place.astype(np.int32),
        removed=mined[0].removed | (refusal & first.eligible),
    )
    return negatives, others


def among(document: IntArray, table: IntArray, n_documents: int) -> BoolArray:
    """Tell which entries of `document` (n, m) stand in the same row of `table` (n, e). Shape (n, m)."""
    if not table.shape[1]:
        return np.zeros(document.shape, dtype=np.bool_)
    found: BoolArray = _places(document, table, n_documents) >= 0
    return found


def _gathered(mined: Sequence[Negatives], teacher: Places, place: Places) -> Mixed:
    """Take entry `place` of each named teacher's row, nothing where it is negative; padding goes behind."""
    rows = np.arange(len(teacher))[:, None]
    document = np.stack([each.document for each in mined])[teacher, rows, place]
    order = np.argsort((document == PADDING) | (place < 0), axis=1, kind="stable")
    teacher, place = (np.take_along_axis(each, order, axis=1) for each in (teacher, place))
    at = (teacher, rows, place)
    document = np.stack([each.document for each in mined])[at]
    there = (document != PADDING) & (place >= 0)
    return Mixed(
        document=np.where(there, document, PADDING).astype(np.int32),
        score=np.where(there, np.stack([each.score for each in mined])[at], np.nan).astype(np.float32),
        rank=np.where(there, np.stack([each.rank for each in mined])[at], PADDING).astype(np.int32),
        teacher=np.where(there, teacher, PADDING).astype(np.int32),
    )


def merged(pools: Sequence[Pool], normalisation: Normalisation) -> Pool:
    """Merge the pools of several teachers into one, scored by the mean of their normalised scores.

    A row holds every document that any teacher lists, best first, ties by document key.
    A teacher that does not list a document counts with the lowest normalised score of
    its list, the most that can be said for it. `eligible` and `hidden` are taken from
    the teachers that list the document. Each list is normalised with its positives in:

    - `rank`: 1 for the best of a list of c, 1/c for the last; equal scores, and the
      pair's own positive, count the candidates that they are not below;
    - `min_max`: 0 for the last, 1 for the best, all 0 where they are equal;
    - `z_score`: standard deviations from the mean, all 0 where they are equal.
    """
    _check(pools)
    document = _union([pool.document for pool in pools])
    total, positive = np.zeros(document.shape), np.zeros(len(document))
    eligible, hidden = (np.zeros(document.shape, dtype=np.bool_) for _ in range(2))
    for pool in pools:
        score, own = _normalised(pool, normalisation)
        place = _places(document, pool.document, pool.n_documents)
        listed = place >= 0
        floor = np.nan_to_num(np.nanmin(score, axis=1, keepdims=True, initial=np.inf), posinf=0.0)
        total += np.where(listed, np.take_along_axis(score, place, axis=1), floor)
        positive += own
        eligible |= listed & np.take_along_axis(pool.eligible, place, axis=1)
        hidden |= listed & np.take_along_axis(pool.hidden, place, axis=1)
    mean = np.where(document == PADDING, -np.inf, total / len(pools)).astype(np.float32)
    order = np.lexsort((pools[0].document_key[document], -mean), axis=1)
    return replace(
        pools[0],
        document=np.take_along_axis(document, order, axis=1),
        score=np.take_along_axis(mean, order, axis=1),
        positive=(positive / len(pools)).astype(np.float32),
        eligible=np.take_along_axis(eligible, order, axis=1),
        hidden=np.take_along_axis(hidden, order, axis=1),
    )


def _check(pools: Sequence[Pool]) -> None:
    for other in pools[1:]:
        for name in ("pair_key", "document_key"):
            if not np.array_equal(getattr(pools[0], name), getattr(other, name)):
                message = f"the pools of several teachers must agree in {name}"
                raise ValueError(message)


def _normalised(pool: Pool, how: Normalisation) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the normalised scores, NaN on padding, and positives. Shapes (n, m) and (n,)."""
    listed = pool.document != PADDING
    score = np.where(listed, pool.score, np.nan).astype(np.float64)
    own = pool.positive.astype(np.float64)[:, None]
    count = np.maximum(1, np.count_nonzero(listed, axis=1))[:, None]
    if how == "rank":
        starts = np.ones(score.shape, dtype=np.bool_)
        starts[:, 1:] = score[:, 1:] != score[:, :-1]
        above = np.maximum.accumulate(np.where(starts, np.arange(score.shape[1]), 0), axis=1)
        return np.where(listed, (count - above) / count, np.nan), np.count_nonzero(score <= own, axis=1) / count[:, 0]
    if how == "min_max":
        shift = np.nanmin(score, axis=1, keepdims=True, initial=np.inf)
        width = np.nanmax(score, axis=1, keepdims=True, initial=-np.inf) - shift
    else:
        shift = np.nansum(score, axis=1, keepdims=True) / count
        width = np.sqrt(np.nansum(np.square(score - shift), axis=1, keepdims=True) / count)
    spread = width > 0  # exact: equal float32 scores have their own value as mean in float64
    shift, width = np.where(spread, shift, 0.0), np.where(spread, width, np.inf)
    return (score - shift) / width, ((own - shift) / width)[:, 0]


def _union(documents: Sequence[IntArray]) -> IntArray:
    """Return the distinct documents of each row, ascending, PADDING behind."""
    last = np.iinfo(np.int32).max
    row = np.sort(np.where((both := np.concatenate(documents, axis=1)) == PADDING, last, both), axis=1)
    row[:, 1:][row[:, 1:] == row[:, :-1]] = last
    row = np.sort(row, axis=1)
    width = max(1, int((row != last).sum(axis=1).max(initial=0)))
    return np.where(row == last, PADDING, row)[:, :width].astype(np.int32)


def _places(document: IntArray, listed: IntArray, n_documents: int) -> Places:
    """Return in which column of `listed` each entry of `document` stands, -1 where in none."""
    base = np.arange(len(document), dtype=np.int64)[:, None] * (n_documents + 1)
    table = (base + listed + 1).ravel()
    wanted = base + document + 1
    order = np.argsort(table, kind="stable")
    found = order[np.minimum(np.searchsorted(table, wanted, sorter=order), len(table) - 1)]
    hit = (document != PADDING) & (table[found] == wanted)
    return np.where(hit, found % listed.shape[1], PADDING)
