"""BM25 by the bm25s library."""

from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.collection import Collection, IntArray
from harness.fingerprint import digest
from harness.mining.base import PADDING
from harness.registry import TEACHERS
from harness.spec import STRICT
from harness.teachers.base import Candidates, Workspace
from harness.teachers.search import id_order

__all__ = ["BM25"]

FloatArray = npt.NDArray[np.float32]
_WORD = r"(?u)\b\w\w+\b"


@TEACHERS.register("bm25", paper="Robertson & Zaragoza 2009; Lucene's variant as in bm25s, arXiv:2407.03618")
@dataclass(kw_only=True, config=STRICT)
class BM25:
    """Score by shared words: BM25 in Lucene's variant, lower-cased words of two letters or more.

    No stemming and no stop words, so that the scores depend on nothing but the texts.
    Scores are at least 0; documents that share no word with the query score 0 and are
    no candidates.
    """

    k1: Annotated[float, Interval(ge=0.0, le=10.0)] = 1.5
    b: Annotated[float, Interval(ge=0.0, le=1.0)] = 0.75

    def identity(self) -> str:
        """Return a digest of parameters, tokenisation and library version."""
        return digest(["bm25", self.k1, self.b, _WORD, version("bm25s")])

    def search(self, collection: Collection, queries: IntArray, depth: int, work: Workspace) -> Candidates:
        """Return the `depth` best documents for each query; ties by document id."""
        place = id_order(collection.document_ids)
        document = np.full((len(queries), depth), PADDING, dtype=np.int32)
        score = np.full((len(queries), depth), -np.inf, dtype=np.float32)
        for row, all_scores in enumerate(self._scores(collection, queries)):
            found = np.flatnonzero(all_scores > 0)
            best = found[np.lexsort((place[found], -all_scores[found]))][:depth]
            document[row, : len(best)] = best
            score[row, : len(best)] = all_scores[best]
            if row % 500 == 0 or row + 1 == len(queries):
                work.progress("searching with BM25", row + 1, len(queries))
        return Candidates(document=document, score=score)

    def score(self, collection: Collection, queries: IntArray, documents: IntArray, work: Workspace) -> FloatArray:
        """Score pairs of query and document indices, aligned. Shape (n,)."""
        del work
        distinct, row = np.unique(queries, return_inverse=True)
        result = np.empty(len(queries), dtype=np.float32)
        order = np.argsort(row, kind="stable")
        ends = np.searchsorted(row[order], np.arange(len(distinct)), side="right")
        start = 0
        for all_scores, end in zip(self._scores(collection, distinct.astype(np.int32)), ends, strict=True):
            result[order[start:end]] = all_scores[documents[order[start:end]]]
            start = int(end)
        return result

    def _scores(self, collection: Collection, queries: IntArray) -> Iterator[FloatArray]:
        """Yield the scores of the whole corpus, shape (n_documents,), for each query in turn."""
        import bm25s

        tokenize = partial(
            bm25s.tokenize, lower=True, token_pattern=_WORD, stopwords=None, return_ids=False, show_progress=False
        )
        index = bm25s.BM25(k1=self.k1, b=self.b, method="lucene")
        index.index(tokenize(list(collection.document_texts)), show_progress=False)
        for words in tokenize([collection.query_texts[query] for query in queries]):
            yield index.get_scores(words) if words else np.zeros(len(collection.document_ids), dtype=np.float32)
