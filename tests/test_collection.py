from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.collection import Collection, Judgements, hide_positives, normalised
from harness.errors import DataError


def collection(**changes: object) -> Collection:
    rows = Judgements.of([(0, 0, 1, False), (0, 1, 1, True), (1, 2, 0, False)])
    base = Collection("toy", ("d1", "d2", "d3"), ("one", "two", ""), ("q1", "q2"), ("ask", "tell"), {"train": rows})
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"document_ids": ("d1", "d1", "d3")}, "toy: document ids repeat"),
        ({"query_texts": ("ask",)}, "toy: 2 query ids but 1 query texts"),
        ({"splits": {"dev": Judgements.of([(0, 3, 1, False)])}}, "toy: a dev judgement names a document outside"),
        ({"splits": {"dev": Judgements.of([(2, 0, 1, False)])}}, "toy: a dev judgement names a query outside"),
    ],
)
def test_an_inconsistent_collection_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        collection(**changes)


def test_the_name_is_no_part_of_the_digest_but_everything_else_is():
    base = collection()
    others = [
        collection(document_texts=("one", "two", "three")),
        collection(query_ids=("q1", "q3")),
        collection(splits={}),
        collection(splits={"dev": base.split("train")}),
        collection(splits={"train": Judgements.of([(0, 0, 1, False), (0, 1, 1, False), (1, 2, 0, False)])}),
    ]

    assert collection(name="other").digest == base.digest
    assert len({base.digest, *(other.digest for other in others)}) == 6


def test_labelled_and_concealed_rows_are_the_positives():
    rows = collection().split("train")

    assert rows.labelled.tolist() == [True, False, False]
    assert rows.concealed.tolist() == [False, True, False]
    assert collection().split("absent").query.size == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 2)), unique_by=lambda row: row[:2]))
def test_hiding_keeps_one_positive_of_each_query_that_has_any(rows):
    judged = Judgements.of([(*row, False) for row in rows])

    hidden = hide_positives(judged, np.random.default_rng(0))

    with_positives = {query for query, _, grade in rows if grade > 0}
    assert sorted(hidden.query[hidden.labelled].tolist()) == sorted(with_positives)
    assert int(hidden.concealed.sum()) == sum(grade > 0 for *_, grade in rows) - len(with_positives)


def test_which_positive_is_kept_depends_on_the_generator():
    judged = Judgements.of([(0, document, 1, False) for document in range(50)])

    kept = {int(np.argmax(hide_positives(judged, np.random.default_rng(seed)).labelled)) for seed in range(8)}

    assert len(kept) > 1


def test_normalised_folds_case_and_white_space():
    assert normalised("  The\n STRASSE\t") == normalised("the strasse")
