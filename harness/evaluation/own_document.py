"""Which document of the corpus is the query itself, and so no answer to it."""

import numpy as np

from harness.collection import Collection, IntArray, normalised
from harness.mining.base import PADDING
from harness.spec import DropOwn

__all__ = ["own_documents"]


def own_documents(collection: Collection, split: str, drop: DropOwn) -> IntArray:
    """Return the document that each query of a split must not be answered with, PADDING where there is none.

    Shape (q,), in the order of the split's queries. In some collections a query is one of
    the documents and bears its id (ArguAna, Quora); in others both are merely numbered.

    - `auto`: the document that bears the query's id, if its text is the query's, or ends
      with it (ArguAna's documents have a title before it), and it is not judged relevant;
    - `always`: the document that bears the query's id, whatever it says: what beir does,
      and mteb for the tasks that ask for it;
    - `never`: none.
    """
    rows = collection.split(split)
    own = np.full(len(rows.queries), PADDING, dtype=np.int32)
    if drop == "never":
        return own
    place = {name: index for index, name in enumerate(collection.document_ids)}
    relevant = set(zip(rows.query[rows.grade > 0].tolist(), rows.document[rows.grade > 0].tolist(), strict=True))
    for row, query in enumerate(rows.queries.tolist()):
        document = place.get(collection.query_ids[query])
        if document is None:
            continue
        if drop == "always" or ((query, document) not in relevant and _repeats(collection, query, document)):
            own[row] = document
    return own


def _repeats(collection: Collection, query: int, document: int) -> bool:
    asked, said = normalised(collection.query_texts[query]), normalised(collection.document_texts[document])
    return said == asked or said.endswith(f" {asked}")
