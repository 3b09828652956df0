import numpy as np
import pytest

from harness.collection import Collection, Judgements
from harness.evaluation.own_document import own_documents


def collection(query: str, document: str, *, query_id: str = "7", grades: dict[int, int] | None = None) -> Collection:
    """Return a query and documents `1` and `7`; the latter says `document`."""
    rows = [(0, index, grade, False) for index, grade in (grades or {0: 1}).items()]
    texts = ("something else", document)
    return Collection("toy", ("1", "7"), texts, (query_id,), (query,), {"test": Judgements.of(rows)})


@pytest.mark.parametrize(
    ("query", "document", "expected"),
    [
        ("Meat is bad.", "Meat is bad.", 1),
        ("Meat is bad.", "meat  is BAD.", 1),
        ("Meat is bad.", "food and animals Meat is bad.", 1),
        ("Meat is bad.", "the flow over a wing", -1),
        ("Meat is bad.", "Meat is bad. Or is it?", -1),
        ("meat", "redmeat", -1),
    ],
)
def test_usually_the_id_and_the_text_must_both_be_those_of_the_query(query, document, expected):
    assert own_documents(collection(query, document), "test", "auto").tolist() == [expected]


def test_an_equal_text_under_another_id_is_not_the_own_document():
    assert own_documents(collection("a", "a", query_id="8"), "test", "auto").tolist() == [-1]


@pytest.mark.parametrize(("grade", "expected"), [(1, -1), (0, 1)])
def test_usually_a_document_that_is_judged_relevant_stays(grade, expected):
    toy = collection("a", "a", grades={0: 1, 1: grade})

    assert own_documents(toy, "test", "auto").tolist() == [expected]


def test_always_looks_at_the_id_alone_and_never_at_nothing():
    toy = collection("a", "b", grades={0: 1, 1: 1})

    assert own_documents(toy, "test", "always").tolist() == [1]
    assert own_documents(collection("a", "a"), "test", "never").tolist() == [-1]


def test_an_absent_split_has_no_queries():
    assert own_documents(collection("a", "a"), "dev", "auto").shape == (0,)


def test_each_query_of_the_split_has_its_own():
    rows = Judgements.of([(2, 0, 1, False), (0, 1, 1, False)])
    toy = Collection("toy", ("a", "b", "c"), ("x", "y", "z"), ("a", "b", "c"), ("x", "no", "z"), {"test": rows})

    assert own_documents(toy, "test", "auto").tolist() == [0, 2]
    assert own_documents(toy, "test", "auto").dtype == np.int32
