"""What evaluation queries share with training: relevant documents, and queries that are equal or nearly so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.collection import Collection, normalised
from harness.sources.docstring_reader import WORD
from harness.sources.near_across import similar_across

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NEAR", "Leakage", "leakage", "words"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NEAR = 0.7
"""Jaccard similarity of words from which two texts count as near-identical, unless told otherwise."""


@dataclass(frozen=True)
class Leakage:
    """What each query of an evaluation split shares with a training split.

    All arrays have shape (n,), one entry per query with a relevant document, in the
    order of `query_ids`. `relevant` counts its relevant documents; of these
    `shared` are train positives, and `near` are train positives or near-identical to
    one. `identical_query` marks queries whose text is that of a train query,
    `near_query` these and those near-identical to one.
    """

    query_ids: tuple[str, ...]
    relevant: IntArray
    shared: IntArray
    near: IntArray
    identical_query: BoolArray
    near_query: BoolArray
    train_queries: int
    train_positives: int
    threshold: float

    @property
    def kinds(self) -> dict[str, BoolArray]:
        """Which queries have which kind of leak, each of shape (n,); `leaked` have any."""
        found = {
            "shared_positive": self.shared > 0,
            "near_document": self.near > 0,
            "identical_query": self.identical_query,
            "near_query": self.near_query,
        }
        return {**found, "leaked": found["near_document"] | self.near_query}

    def frame(self) -> "pd.DataFrame":
        """Return one row per query: query_id, relevant, shared, near, identical_query, near_query."""
        import pandas as pd

        names = ("relevant", "shared", "near", "identical_query", "near_query")
        return pd.DataFrame({"query_id": list(self.query_ids), **{name: getattr(self, name) for name in names}})


def leakage(
    training: Collection, evaluation: Collection, split: str, *, train: str = "train", threshold: float = NEAR
) -> Leakage:
    """Compare the queries of `split` and their relevant documents with what `training` trains on.

    Train positives are the labelled ones, and train queries those that have one; on the
    side of evaluation every relevant document counts, hidden or not, as it does in the
    metrics. Two documents are the same if their normalised texts are, or if they are one
    document of one collection; an empty text is like no other. Texts are near-identical
    from a Jaccard similarity of their `words` of `threshold` on; all pairs are compared.
    """
    known, judged = training.split(train), evaluation.split(split)
    positives = np.unique(known.document[known.labelled]).tolist()
    trained = np.unique(known.query[known.labelled]).tolist()
    query, document = judged.query[judged.grade > 0], judged.document[judged.grade > 0]
    queries, row = np.unique(query, return_inverse=True)
    documents, place = np.unique(document, return_inverse=True)
    itself = training is evaluation or training.digest == evaluation.digest
    document_texts = [evaluation.document_texts[each] for each in documents.tolist()]
    positive_texts = [training.document_texts[each] for each in positives]
    shared = _equal(document_texts, positive_texts) | (np.isin(documents, positives) & itself)
    near = shared | _near(document_texts, positive_texts, threshold)
    query_texts = [evaluation.query_texts[each] for each in queries.tolist()]
    train_texts = [training.query_texts[each] for each in trained]
    identical = _equal(query_texts, train_texts)
    return Leakage(
        query_ids=tuple(evaluation.query_ids[each] for each in queries.tolist()),
        relevant=np.bincount(row, minlength=len(queries)),
        shared=np.bincount(row[shared[place]], minlength=len(queries)),
        near=np.bincount(row[near[place]], minlength=len(queries)),
        identical_query=identical,
        near_query=identical | _near(query_texts, train_texts, threshold),
        train_queries=len(trained),
        train_positives=len(positives),
        threshold=threshold,
    )


def words(text: str) -> frozenset[str]:
    """Return the distinct words of a text, without case and punctuation."""
    return frozenset(WORD.findall(normalised(text)))


def _equal(texts: Iterable[str], known: Iterable[str]) -> BoolArray:
    """Tell which of `texts` (n) are among `known`, but for case and white space. Shape (n,)."""
    there = {normalised(text) for text in known} - {""}
    return np.array([normalised(text) in there for text in texts], dtype=np.bool_)


def _near(texts: Sequence[str], known: Sequence[str], threshold: float) -> BoolArray:
    """Tell which of `texts` (n) are near-identical to one that is known. Shape (n,)."""
    near = np.zeros(len(texts), dtype=np.bool_)
    near[similar_across(list(map(words, texts)), list(map(words, known)), threshold)[:, 0]] = True
    return near
