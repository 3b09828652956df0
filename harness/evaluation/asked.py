"""A split of a collection as the dictionaries that mteb and beir evaluate on."""

from dataclasses import dataclass

from harness.collection import Collection
from harness.errors import DataError
from harness.evaluation.own_document import own_documents
from harness.mining.base import PADDING
from harness.spec import DropOwn

__all__ = ["Asked", "asked_of"]


@dataclass(frozen=True)
class Asked:
    """Texts by id, and query id -> document id -> grade; a query that bears a document's id is to lose it."""

    documents: dict[str, str]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]


def asked_of(collection: Collection, split: str, drop_own: DropOwn) -> Asked:
    """Return the queries of a split that have a relevant document, with the whole corpus.

    beir always drops the document that bears the query's id, mteb does or does not for a
    whole task. So that both drop what `drop_own` says and nothing else, every other
    query is renamed to an id that no document bears; its id has no part in its ranking.
    Raises DataError if no query has a relevant document.
    """
    rows = collection.split(split)
    own = dict(zip(rows.queries.tolist(), own_documents(collection, split, drop_own).tolist(), strict=True))
    prefix = "query "
    while any(name.startswith(prefix) for name in collection.document_ids):
        prefix += "_"
    named = {
        query: prefix + collection.query_ids[query] if document == PADDING else collection.document_ids[document]
        for query, document in own.items()
    }
    qrels: dict[str, dict[str, int]] = {}
    for query, document, grade in zip(rows.query.tolist(), rows.document.tolist(), rows.grade.tolist(), strict=True):
        qrels.setdefault(named[query], {})[collection.document_ids[document]] = grade
    qrels = {query: grades for query, grades in qrels.items() if max(grades.values()) > 0}
    if not qrels:
        message = f"{collection.name} has no {split} query with a relevant document"
        raise DataError(message)
    return Asked(
        documents=dict(zip(collection.document_ids, collection.document_texts, strict=True)),
        queries={name: collection.query_texts[query] for query, name in named.items() if name in qrels},
        qrels=qrels,
    )
