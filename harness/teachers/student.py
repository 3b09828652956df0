"""The model in training as a teacher: embedded anew whenever it is asked, and kept nowhere."""

import numpy as np
import numpy.typing as npt

from harness.collection import Collection, IntArray
from harness.teachers.base import Candidates, Workspace
from harness.teachers.dense import Embed
from harness.teachers.rows import Rows, inner_products
from harness.teachers.search import exact_top_k, id_order

__all__ = ["Student"]

FloatArray = npt.NDArray[np.float32]


class Student:
    """A teacher for the queries of one split, by the vectors that a model gives at one moment.

    It has no identity: a pool of its making must not be stored. `embed` is that model;
    `queries` (q,) are the only ones that can be asked, ascending.
    """

    def __init__(self, embed: Embed, collection: Collection, queries: IntArray) -> None:
        self._queries = queries
        self._left = embed([collection.query_texts[query] for query in queries], "query")
        self._right = embed(collection.document_texts, "document")

    def search(self, collection: Collection, queries: IntArray, depth: int, work: Workspace) -> Candidates:
        """Return the `depth` best documents for each query by cosine; ties by document id."""
        vectors = self._left[np.searchsorted(self._queries, queries)]
        place = id_order(collection.document_ids)
        return exact_top_k(vectors, self._right, depth, place, resources=work.resources)

    def score(self, collection: Collection, queries: IntArray, documents: IntArray, work: Workspace) -> FloatArray:
        """Return the cosine of pairs of query and document indices, aligned. Shape (n,)."""
        del collection, work
        place = np.searchsorted(self._queries, queries)
        return inner_products(Rows(self._left), Rows(self._right), place, documents)
