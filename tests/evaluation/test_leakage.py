import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.collection import Collection, Judgements
from harness.evaluation.leakage import leakage, words
from harness.sources.beir_folder import BeirFolder
from harness.sources.near_across import similar_across

TEN = "one two three four five six seven eight nine ten"
DOCUMENTS = {
    "trained": "A document about cats.",
    "twin": "a  DOCUMENT about cats.",
    "nearly": TEN + " eleven",
    "other": "nothing of the kind",
    "empty": "",
    "hidden": "relevant but never shown",
    "no": "judged not relevant",
    "long": TEN,
    "blank": " ",
}
QUERIES = {
    "t1": "what is a cat",
    "t2": "how do planes fly in the sky",
    "t3": "judged but without any positive",
    "e1": "What is a  CAT",
    "e2": "what is a cat?",
    "e3": "how do big planes fly in the sky",
    "e4": "unrelated",
    "e5": "judged but without any positive",
    "e6": "no relevant document",
}
TRAIN = [("t1", "trained", 1, False), ("t1", "hidden", 1, True), ("t2", "long", 2, False), ("t2", "empty", 1, False)]
TRAIN += [("t3", "other", 0, False), ("t2", "no", 0, False)]
TEST = [("e1", "twin", 1, False), ("e1", "other", 1, True), ("e2", "nearly", 1, False), ("e3", "hidden", 1, False)]
TEST += [("e4", "blank", 1, False), ("e4", "no", 2, False), ("e5", "empty", 1, False), ("e6", "trained", 0, False)]


def collection(name: str = "toy", documents=None, train=TRAIN, test=TEST) -> Collection:
    documents = DOCUMENTS if documents is None else documents
    places = ({key: at for at, key in enumerate(QUERIES)}, {key: at for at, key in enumerate(documents)})
    splits = {
        split: Judgements.of(
            (places[0][query], places[1][document], grade, hidden) for query, document, grade, hidden in rows
        )
        for split, rows in (("train", train), ("test", test))
    }
    return Collection(
        name, tuple(documents), tuple(documents.values()), tuple(QUERIES), tuple(QUERIES.values()), splits
    )


def test_every_kind_of_leak_is_counted_for_each_query() -> None:
    toy = collection()

    found = leakage(toy, toy, "test")

    assert found.frame().to_dict("list") == {
        "query_id": ["e1", "e2", "e3", "e4", "e5"],
        "relevant": [2, 1, 1, 2, 1],
        "shared": [1, 0, 0, 0, 1],
        "near": [1, 1, 0, 0, 1],
        "identical_query": [True, False, False, False, False],
        "near_query": [True, True, True, False, False],
    }
    assert found.kinds["leaked"].tolist() == [True, True, True, False, True]
    assert (found.train_queries, found.train_positives) == (2, 3)


def test_between_two_collections_documents_are_known_by_their_texts_alone() -> None:
    renamed = dict(zip(DOCUMENTS, ["x", *list(DOCUMENTS.values())[1:]], strict=True))
    one, two = collection(train=[("t1", "trained", 1, False)]), collection("two", renamed, train=TRAIN)

    assert leakage(two, one, "test").shared.tolist() == [0, 0, 0, 0, 0]
    assert leakage(one, two, "test").shared.tolist() == [1, 0, 0, 0, 0]


def test_hidden_train_positives_are_not_trained_on_and_leak_nothing() -> None:
    toy = collection(train=[("t1", "other", 1, False), ("t1", "hidden", 1, True)])

    found = leakage(toy, toy, "test")

    assert dict(zip(found.query_ids, found.shared.tolist(), strict=True)) == {
        "e1": 1,
        "e2": 0,
        "e3": 0,
        "e4": 0,
        "e5": 0,
    }
    assert found.train_positives == 1


def test_a_higher_threshold_leaves_only_closer_texts() -> None:
    toy = collection()

    assert leakage(toy, toy, "test", threshold=0.9).near.tolist() == [1, 1, 0, 0, 1]
    assert leakage(toy, toy, "test", threshold=0.92).near.tolist() == [1, 0, 0, 0, 1]
    assert leakage(toy, toy, "test", threshold=0.9).near_query.tolist() == [True, True, False, False, False]


def test_without_a_train_split_every_query_is_clean() -> None:
    toy = collection(train=[])

    found = leakage(toy, toy, "test")

    assert not found.kinds["leaked"].any()
    assert (len(found.query_ids), found.train_positives) == (5, 0)


def test_the_same_text_is_near_itself_even_without_a_word() -> None:
    toy = collection(train=[("t1", "other", 1, False)], test=[("e4", "no", 1, False)])
    wordless = replace(toy, query_texts=tuple("?!" for _ in toy.query_texts))

    found = leakage(wordless, wordless, "test")

    assert found.near_query.tolist() == found.identical_query.tolist() == [True]


def test_an_absent_split_has_no_queries() -> None:
    assert leakage(collection(), collection(), "dev").frame().empty


@pytest.mark.shared_data
@pytest.mark.skipif("WINNOW_DATA" not in os.environ, reason="WINNOW_DATA is not set")
def test_scifact_leaks_as_much_as_is_known_of_it() -> None:
    scifact = BeirFolder(path=str(Path(os.environ["WINNOW_DATA"]) / "scifact")).load()
    train, test = (
        [scifact.query_texts[query] for query in scifact.split(split).queries] for split in ("train", "test")
    )

    found = leakage(scifact, scifact, "test")
    by_space = similar_across(
        [frozenset(t.casefold().split()) for t in test], [frozenset(t.casefold().split()) for t in train], 0.7
    )

    assert (found.relevant.sum(), found.shared.sum()) == (339, 216)
    assert {kind: int(marks.sum()) for kind, marks in found.kinds.items()} == {
        "shared_positive": 196,
        "near_document": 196,
        "identical_query": 2,
        "near_query": 91,
        "leaked": 197,
    }
    assert len(set(by_space[:, 0].tolist())) == 88


def test_words_have_neither_case_nor_punctuation() -> None:
    assert words("It's  a CAT, a cat!") == {"it", "s", "a", "cat"}
