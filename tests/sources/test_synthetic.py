from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.collection import Collection
from harness.registry import DATASETS
from harness.sources.synthetic import Synthetic

SOURCES = st.builds(
    Synthetic,
    queries=st.integers(5, 30),
    documents=st.integers(154, 200),
    positives=st.integers(1, 4),
    topics=st.integers(1, 20),
    empty_document=st.booleans(),
    seed=st.integers(0, 100),
)


def says(collection: Collection, query: int, document: int) -> bool:
    return set(collection.query_texts[query].split()) <= set(collection.document_texts[document].split())


@settings(max_examples=40, deadline=None)
@given(SOURCES)
def test_relevant_documents_say_all_that_is_asked_and_judged_others_do_not(source: Synthetic) -> None:
    collection = source.load()

    for rows in collection.splits.values():
        for query, document, grade in zip(
            rows.query.tolist(), rows.document.tolist(), rows.grade.tolist(), strict=True
        ):
            assert says(collection, query, document) == (grade > 0)


@settings(max_examples=40, deadline=None)
@given(SOURCES)
def test_the_sizes_and_the_awkward_cases_are_there(source: Synthetic) -> None:
    collection = source.load()

    texts = Counter(collection.document_texts)
    judged = {document for rows in collection.splits.values() for document in rows.document.tolist()}
    train = collection.split("train")
    twins = [
        document
        for document, text in enumerate(collection.document_texts)
        if document not in judged and text == collection.document_texts[int(train.document[train.labelled][0])]
    ]
    assert (len(collection.document_ids), len(collection.query_ids)) == (source.documents, source.queries)
    assert texts[""] == source.empty_document
    assert len(twins) == 1
    assert sorted(count for text, count in texts.items() if count > 1) == [2, 2]
    for rows in collection.splits.values():
        assert set(Counter(rows.query[rows.labelled].tolist()).values()) == {1}
        assert (rows.grade == 0).sum() == len(rows.queries)


def test_positives_are_uneven_and_hidden_in_every_split() -> None:
    collection = Synthetic().load()

    for name in ("train", "dev", "test"):
        rows = collection.split(name)
        assert rows.concealed.any()
        assert len(set(Counter(rows.query[rows.grade > 0].tolist()).values())) > 1


def test_the_same_seed_gives_the_same_collection_and_another_another() -> None:
    assert Synthetic().load().digest == Synthetic().load().digest
    assert Synthetic().load().digest != Synthetic(seed=1).load().digest


def test_identity_changes_with_each_parameter() -> None:
    sources = [Synthetic(), Synthetic(queries=39), Synthetic(documents=241), Synthetic(positives=3)]
    sources += [Synthetic(topics=7), Synthetic(empty_document=False), Synthetic(seed=1)]

    assert len({source.identity() for source in sources}) == len(sources)


def test_a_corpus_too_small_for_its_queries_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"documents must be at least .* = 204, got 203"):
        Synthetic(documents=203)
    assert len(Synthetic(documents=204).load().document_ids) == 204


def test_it_is_registered() -> None:
    assert DATASETS["synthetic"].factory is Synthetic
