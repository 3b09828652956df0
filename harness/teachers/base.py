"""What a teacher must offer, and how its scores become a Pool, once per collection and split."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal, Protocol, cast

import numpy as np
import numpy.typing as npt

from harness.collection import Collection, IntArray, Judgements, normalised
from harness.errors import DataError, NumericError
from harness.fingerprint import digest
from harness.mining.base import PADDING, Pool, key_of
from harness.ranks import ALONE, Ranks
from harness.registry import TEACHERS
from harness.spec import Component
from harness.store import Store

__all__ = [
    "Candidates",
    "Progress",
    "Resources",
    "Searcher",
    "Teacher",
    "Workspace",
    "build_pool",
    "excluded_documents",
    "searched",
    "silent",
    "teacher_of",
]

POOL_VERSION = 2
"""Raised when the same inputs would give another Pool."""

FloatArray = npt.NDArray[np.float32]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """Report no progress."""
    del what, done, total


@dataclass(frozen=True)
class Resources:
    """What a search may use; none of it changes a result.

    `memory` bounds, in bytes, the scores and documents that a search holds at once.
    `device` is a torch device, or `auto`: CUDA where there is one, else the CPU.
    `engine` multiplies and picks candidates.
    """

    memory: int = 256 << 20
    device: str = "auto"
    engine: Literal["torch", "faiss"] = "torch"


@dataclass(frozen=True)
class Workspace:
    """Where artefacts are kept and progress is told, what a search may use, and which processes train."""

    store: Store
    progress: Progress = silent
    resources: Resources = Resources()
    ranks: Ranks = ALONE


@dataclass(frozen=True)
class Candidates:
    """The best documents of each query, best first, ties by document id.

    `document` and `score` have shape (q, m); behind the last candidate stand PADDING
    and -inf.
    """

    document: IntArray
    score: FloatArray


class Searcher(Protocol):
    """Scores documents for queries."""

    def search(self, collection: Collection, queries: IntArray, depth: int, work: Workspace) -> Candidates:
        """Return the `depth` best documents of the whole corpus for each query index."""
        ...

    def score(self, collection: Collection, queries: IntArray, documents: IntArray, work: Workspace) -> FloatArray:
        """Score pairs of query and document indices, aligned. Shape (n,)."""
        ...


class Teacher(Searcher, Protocol):
    """A searcher whose scores may be kept; parameters are the fields of the class."""

    def identity(self) -> str:
        """Return a digest of whatever the scores depend on besides the texts; no heavy import."""
        ...


def teacher_of(component: Component) -> Teacher:
    """Build the teacher that another one names; raise ConfigError if there is none such."""
    return cast("Teacher", TEACHERS.create(component.name, component.params))


def build_pool(teacher: Teacher, collection: Collection, split: str, depth: int, work: Workspace) -> Pool:
    """Return the teacher's Pool of a split, from the store when it is there.

    The pool has a row per labelled positive, ordered by query, then document, whoever
    the teacher: pools of several teachers for one split agree row by row. The
    candidate list of a query is searched once and shared by its rows. Raises
    NumericError if the teacher gives NaN or infinity, DataError if the split has no
    labelled pair.
    """
    key = digest([POOL_VERSION, collection.digest, teacher.identity(), split, depth], 32)

    def build(folder: Path) -> None:
        pool = _compute(teacher, collection, split, depth, work)
        for column in fields(pool):
            np.save(folder / f"{column.name}.npy", getattr(pool, column.name))

    folder = work.store.fetch("pool", key, build)
    return Pool(**{column.name: np.load(folder / f"{column.name}.npy", allow_pickle=False) for column in fields(Pool)})


def _compute(teacher: Teacher, collection: Collection, split: str, depth: int, work: Workspace) -> Pool:
    rows = collection.split(split)
    pairs = rows.labelled
    query, positive = rows.query[pairs], rows.document[pairs]
    if not query.size:
        message = f"{collection.name}: the {split} split has no labelled pair to mine for"
        raise DataError(message)
    none = np.empty((len(query), 0), dtype=np.int32)
    blank = Pool(
        document=none,
        score=none.astype(np.float32),
        positive=np.zeros(len(query), dtype=np.float32),
        eligible=none.astype(np.bool_),
        hidden=none.astype(np.bool_),
        query=query,
        positive_document=positive,
        group=np.unique(query, return_inverse=True)[1].astype(np.int32),
        excluded=excluded_documents(collection, rows, query),
        pair_key=np.array(
            [
                key_of(f"{collection.query_ids[q]}\x1f{collection.document_ids[d]}")
                for q, d in zip(query, positive, strict=True)
            ],
            dtype=np.uint64,
        ),
        document_key=np.array([key_of(name) for name in collection.document_ids], dtype=np.uint64),
    )
    return searched(blank, teacher, collection, work, split=split, depth=depth)


def searched(  # noqa: PLR0913 - which pairs, who searches, where, how deep
    pool: Pool, teacher: Searcher, collection: Collection, work: Workspace, *, split: str, depth: int
) -> Pool:
    """Return the pool of the same pairs by another teacher, kept nowhere; raise NumericError if one is not finite."""
    rows = collection.split(split)
    found = teacher.search(collection, np.unique(pool.query), depth, work)
    scores = teacher.score(collection, pool.query, pool.positive_document, work)
    if not np.isfinite(scores).all() or np.isnan(found.score).any():
        message = f"the teacher scored {collection.name} with NaN or infinity"
        raise NumericError(message)
    document = found.document[pool.group]
    concealed = _per_query(rows.query[rows.concealed], rows.document[rows.concealed], pool.query)
    return replace(
        pool,
        document=document,
        score=found.score[pool.group],
        positive=scores,
        eligible=np.not_equal(document, PADDING) & ~_member(document, pool.excluded),
        hidden=_member(document, concealed),
    )


def excluded_documents(collection: Collection, rows: Judgements, query: IntArray) -> IntArray:
    """List what must never be a negative of each of the queries `query` (n,). Shape (n, widest).

    The query's labelled positives, documents with the text of one of them or of the
    query itself, and the document that bears the query's own id with the query's text.
    """
    by_text: dict[str, list[int]] = {}
    for index, text in enumerate(collection.document_texts):
        by_text.setdefault(normalised(text), []).append(index)
    known = rows.labelled
    names: list[int] = []
    owners: list[int] = []
    for owner in np.unique(query):
        start, stop = np.searchsorted(rows.query, [owner, owner + 1])
        own = rows.document[start:stop][known[start:stop]]
        texts = {normalised(collection.query_texts[owner]), *(normalised(collection.document_texts[d]) for d in own)}
        banned = {*map(int, own), *(index for text in texts for index in by_text.get(text, []))}
        names.extend(sorted(banned))
        owners.extend([int(owner)] * len(banned))
    return _per_query(np.array(owners, dtype=np.int32), np.array(names, dtype=np.int32), query)


def _per_query(owner: IntArray, document: IntArray, query: IntArray) -> IntArray:
    """Lay (owner, document) rows out as one padded line per entry of `query`. Shape (n, widest)."""
    order = np.argsort(owner, kind="stable")
    owner, document = owner[order], document[order]
    start = np.searchsorted(owner, query, side="left")
    length = np.searchsorted(owner, query, side="right") - start
    table = np.full((len(query), int(length.max(initial=0))), PADDING, dtype=np.int32)
    inside = np.arange(table.shape[1]) < length[:, None]
    table[inside] = document[(start[:, None] + np.arange(table.shape[1]))[inside]]
    return table


def _member(document: IntArray, table: IntArray) -> npt.NDArray[np.bool_]:
    """Say which entries of `document` (n, m) stand in the same row of `table` (n, e). Shape (n, m)."""
    found = np.zeros(document.shape, dtype=np.bool_)
    for column in table.T:
        found |= np.equal(document, column[:, None])
    return found & np.not_equal(document, PADDING)
