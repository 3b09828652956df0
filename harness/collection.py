"""Documents, queries and judgements as arrays, with their invariants."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.fingerprint import digest, text_digest

__all__ = ["Collection", "IntArray", "Judgements", "hide_positives", "normalised"]

IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]


def normalised(text: str) -> str:
    """Fold case and white space, so that equal texts compare equal."""
    return " ".join(text.casefold().split())


@dataclass(frozen=True)
class Judgements:
    """One row per judged (query, document) pair of a split.

    All arrays have shape (n,). `query` and `document` index into the collection;
    `grade` is 0 for judged non-relevant, positive for relevant; `hidden` marks
    positives whose label is withheld from mining and training.
    """

    query: IntArray
    document: IntArray
    grade: IntArray
    hidden: BoolArray

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, int, bool]]) -> "Judgements":
        """Build from (query, document, grade, hidden) rows, sorted by query, then document."""
        table = np.array(sorted(rows), dtype=np.int32).reshape(-1, 4)
        return cls(
            query=table[:, 0].copy(),
            document=table[:, 1].copy(),
            grade=table[:, 2].copy(),
            hidden=table[:, 3].astype(np.bool_),
        )

    @property
    def labelled(self) -> BoolArray:
        """Rows that mining and training may know as positives. Shape (n,)."""
        return (self.grade > 0) & ~self.hidden

    @property
    def concealed(self) -> BoolArray:
        """Rows that are hidden positives. Shape (n,)."""
        return (self.grade > 0) & self.hidden

    @property
    def queries(self) -> IntArray:
        """Distinct query indices, ascending."""
        return np.unique(self.query).astype(np.int32)


_NONE = Judgements.of([])


@dataclass(frozen=True)
class Collection:
    """A corpus with queries and judged splits.

    `splits` may hold `train`, `dev` and `test`. Raises DataError if an id repeats or a
    judgement points nowhere; a source that knows its files checks earlier, and says
    where.
    """

    name: str
    document_ids: tuple[str, ...]
    document_texts: tuple[str, ...]
    query_ids: tuple[str, ...]
    query_texts: tuple[str, ...]
    splits: Mapping[str, Judgements] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the invariants once, so that nothing downstream has to."""
        for what, ids, texts in (
            ("document", self.document_ids, self.document_texts),
            ("query", self.query_ids, self.query_texts),
        ):
            if len(ids) != len(texts):
                message = f"{self.name}: {len(ids)} {what} ids but {len(texts)} {what} texts"
                raise DataError(message)
            if len(set(ids)) != len(ids):
                message = f"{self.name}: {what} ids repeat"
                raise DataError(message)
        for split, rows in self.splits.items():
            for what, index, count in (
                ("query", rows.query, len(self.query_ids)),
                ("document", rows.document, len(self.document_ids)),
            ):
                if index.size and not (index.min() >= 0 and index.max() < count):
                    message = f"{self.name}: a {split} judgement names a {what} outside the collection"
                    raise DataError(message)

    def split(self, name: str) -> Judgements:
        """Return the judgements of a split; an absent split is empty."""
        return self.splits.get(name, _NONE)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all ids, texts and judgements; the name is no part of it."""
        columns = {
            name: [text_digest(map(str, getattr(rows, column))) for column in ("query", "document", "grade", "hidden")]
            for name, rows in sorted(self.splits.items())
        }
        texts = [
            text_digest(column) for column in (self.document_ids, self.document_texts, self.query_ids, self.query_texts)
        ]
        return digest([texts, columns])


def hide_positives(rows: Judgements, rng: np.random.Generator) -> Judgements:
    """Keep one labelled positive per query, drawn at random, and hide its others.

    Which one is kept depends on `rng` and on the order of the rows, nothing else.
    """
    order = rng.permutation(len(rows.query))
    visible = order[rows.labelled[order]]
    _, first = np.unique(rows.query[visible], return_index=True)
    hidden = rows.grade > 0
    hidden[visible[first]] = False
    return Judgements(query=rows.query, document=rows.document, grade=rows.grade, hidden=hidden)
