"""The Pool that miners read, the Negatives that they return, and the one primitive between them."""

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["PADDING", "BoolArray", "FloatArray", "IntArray", "Miner", "Negatives", "Pool", "key_of"]

PADDING = -1
"""Stands in a document column where there is no document."""

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
KeyArray = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def _scramble(keys: KeyArray) -> KeyArray:
    """Map 64-bit keys to well-mixed 64-bit keys: the finaliser of SplitMix64."""
    with np.errstate(over="ignore"):
        keys = keys + _GOLDEN
        keys = (keys ^ (keys >> np.uint64(30))) * _MIX[0]
        keys = (keys ^ (keys >> np.uint64(27))) * _MIX[1]
    return keys ^ (keys >> np.uint64(31))


def key_of(text: str) -> int:
    """Return a 64-bit key for an id, stable over processes and machines."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class Negatives:
    """Chosen documents, one row per pair of the pool.

    `document`, `score` and `rank` have shape (n, k): corpus index (PADDING where none
    qualified), teacher score and rank in the pool from 0 (NaN and -1 where the document
    did not come from the pool). `removed` has the pool's shape (n, m): eligible
    candidates that the miner's rule refused.
    """

    document: IntArray
    score: FloatArray
    rank: IntArray
    removed: BoolArray

    @property
    def filled(self) -> BoolArray:
        """Where there is a document. Shape (n, k)."""
        return np.not_equal(self.document, PADDING)


@dataclass(frozen=True)
class Pool:
    """The candidate table of one teacher: one row per (query, positive) pair.

    For n pairs, m candidates and a corpus of `n_documents`:

    - `document` (n, m): corpus indices, best first, PADDING behind the last;
    - `score` (n, m): the teacher's scores, descending, -inf on padding;
    - `positive` (n,): the teacher's score of the pair's own positive;
    - `eligible` (n, m): neither padding nor known to be a positive of the query, nor a
      document with the text of the query or of one of its positives;
    - `hidden` (n, m): hidden positives; for the oracle and the audit alone;
    - `query`, `positive_document` (n,): which pair a row is;
    - `group` (n,): equal for the rows of one query;
    - `excluded` (n, e): every corpus index that must never be a negative of the row,
      PADDING behind the last;
    - `pair_key` (n,), `document_key` (n_documents,): keys of ids, so that what is drawn
      at random depends on which pair and which document, never on their position.
    """

    document: IntArray
    score: FloatArray
    positive: FloatArray
    eligible: BoolArray
    hidden: BoolArray
    query: IntArray
    positive_document: IntArray
    group: IntArray
    excluded: IntArray
    pair_key: KeyArray
    document_key: KeyArray

    @property
    def n_documents(self) -> int:
        """Size of the corpus."""
        return len(self.document_key)

    @property
    def eligible_rank(self) -> npt.NDArray[np.int64]:
        """Rank from 0 among the eligible candidates of the row; meaningless on the others. Shape (n, m)."""
        return np.cumsum(self.eligible, axis=1) - 1

    def rows(self, index: npt.NDArray[np.integer] | slice) -> "Pool":
        """Return the pool of some of the pairs, in the order of `index`; the corpus stays whole."""
        whole = {"document_key"}
        picked = {part.name: getattr(self, part.name)[index] for part in fields(self) if part.name not in whole}
        return replace(self, **picked)

    def best(
        self, keep: BoolArray, *, by: npt.NDArray[np.floating], k: int, refused: BoolArray | None = None
    ) -> Negatives:
        """Take from each row the k candidates of `keep` with the highest `by`.

        Equal `by` keep the order of the pool, which is by score, then document id. Rows
        with fewer than k get PADDING. `refused` are the candidates that the rule holds
        for suspect, by default all outside `keep`; a rule that merely looks no further
        (a window, a sample of the first ten) leaves the rest out of both.
        `keep`, `by` and `refused` have the pool's shape (n, m).
        """
        keep = keep & self.eligible
        # a kept candidate with `by` of -inf must still come before those outside `keep`
        last = np.finfo(np.float64).max
        order = np.where(keep, np.minimum(-by.astype(np.float64), last), np.inf)
        order = np.argsort(order, axis=1, kind="stable")[:, :k]
        if order.shape[1] < k:
            order = np.pad(order, ((0, 0), (0, k - order.shape[1])), constant_values=0)
            present = np.arange(k) < keep.sum(axis=1)[:, None]
        else:
            present = np.take_along_axis(keep, order, axis=1)
        return Negatives(
            document=np.where(present, np.take_along_axis(self.document, order, axis=1), PADDING).astype(np.int32),
            score=np.where(present, np.take_along_axis(self.score, order, axis=1), np.nan).astype(np.float32),
            rank=np.where(present, order, -1).astype(np.int32),
            removed=self.eligible & ~keep & (True if refused is None else refused),
        )

    def uniform(self, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """Draw one number in (0, 1) per candidate. Shape (n, m).

        Depends on `rng`, the pair and the document, not on row order, depth or chunking.
        """
        salt = rng.integers(0, 2**63, dtype=np.uint64)
        rows = _scramble(self.pair_key ^ salt)[:, None]
        columns = self.document_key[np.maximum(self.document, 0)]
        return (_scramble(rows ^ columns) >> np.uint64(12)).astype(np.float64) * 2.0**-52 + 2.0**-53

    def draw(self, rng: np.random.Generator, k: int, avoid: IntArray | None = None) -> IntArray:
        """Draw k distinct documents per row uniformly from the whole corpus. Shape (n, k).

        Never one of `excluded`, nor of `avoid` (n, a). PADDING where the corpus is too small.
        """
        banned = self.excluded if avoid is None else np.concatenate([self.excluded, avoid], axis=1)
        by_key = np.argsort(self.document_key, kind="stable").astype(np.int32)
        salt = rng.integers(0, 2**63, dtype=np.uint64)
        drawn = np.full((len(self.query), k), PADDING, dtype=np.int32)
        for row, key in enumerate(_scramble(self.pair_key ^ salt)):
            drawn[row] = _draw_row(int(key), by_key, set(banned[row].tolist()) - {PADDING}, k)
        return drawn


def _draw_row(key: int, by_key: IntArray, banned: set[int], k: int) -> list[int]:
    """Draw k entries of `by_key` outside `banned`, without replacement, by rejection."""
    chosen = np.random.default_rng(key)
    if len(by_key) <= 4 * (k + len(banned)):
        free = [int(index) for index in by_key[chosen.permutation(len(by_key))] if index not in banned]
        return [*free[:k], *[PADDING] * (k - len(free[:k]))]
    picked: list[int] = []
    while len(picked) < k:
        index = int(by_key[chosen.integers(len(by_key))])
        if index not in banned:
            picked.append(index)
            banned.add(index)
    return picked


class Miner(Protocol):
    """A strategy: pure, deterministic given `rng`, and free of torch and of I/O."""

    k: int

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Choose up to `k` negatives for each row of the pool."""
        ...
