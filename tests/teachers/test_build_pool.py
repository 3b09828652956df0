from dataclasses import fields

import numpy as np
import pytest

from harness.collection import Collection, Judgements
from harness.errors import DataError, NumericError
from harness.mining.base import PADDING
from harness.registry import TEACHERS
from harness.sources.synthetic import Synthetic
from harness.store import Store
from harness.teachers.base import Candidates, Workspace, build_pool
from harness.teachers.search import id_order


class Scripted:
    """A teacher that reads its scores from a table of shape (queries, documents)."""

    def __init__(self, table: np.ndarray) -> None:
        self.table = table.astype(np.float32)
        self.searches = 0

    def identity(self) -> str:
        return str(self.table.tolist())

    def search(self, collection, queries, depth, work):
        self.searches += 1
        place = id_order(collection.document_ids)
        order = np.array([np.lexsort((place, -self.table[query]))[:depth] for query in queries])
        return Candidates(order.astype(np.int32), np.take_along_axis(self.table[queries], order, axis=1))

    def score(self, collection, queries, documents, work):
        return self.table[queries, documents]


COLLECTION = Collection(
    "toy",
    ("d0", "d1", "d2", "d3", "d4", "d5"),
    ("right", "also right", "Right ", "wrong", "ask?", "hidden"),
    ("q0", "q1"),
    ("Ask?", "tell"),
    {"train": Judgements.of([(0, 0, 1, False), (0, 1, 1, False), (0, 5, 1, True), (1, 3, 1, False), (1, 0, 0, False)])},
)
TABLE = np.array([[9, 8, 7, 6, 5, 4], [1, 2, 3, 4, 5, 6]])


@pytest.fixture
def work(tmp_path):
    return Workspace(Store(tmp_path))


def test_there_is_a_row_for_each_labelled_pair(work):
    pool = build_pool(Scripted(TABLE), COLLECTION, "train", 6, work)

    assert pool.query.tolist() == [0, 0, 1]
    assert pool.positive_document.tolist() == [0, 1, 3]
    assert pool.positive.tolist() == [9, 8, 4]
    assert pool.group.tolist() == [0, 0, 1]


def test_positives_their_twins_and_the_query_itself_are_never_eligible(work):
    pool = build_pool(Scripted(TABLE), COLLECTION, "train", 6, work)

    eligible = [sorted(row[keep].tolist()) for row, keep in zip(pool.document, pool.eligible, strict=True)]
    excluded = [sorted(set(row.tolist()) - {PADDING}) for row in pool.excluded]
    assert eligible == [[3, 5], [3, 5], [0, 1, 2, 4, 5]]
    assert excluded == [[0, 1, 2, 4], [0, 1, 2, 4], [3]]


def test_hidden_positives_are_marked_and_may_be_mined(work):
    pool = build_pool(Scripted(TABLE), COLLECTION, "train", 6, work)

    assert [row[mark].tolist() for row, mark in zip(pool.document, pool.hidden, strict=True)] == [[5], [5], []]
    assert (pool.eligible | ~pool.hidden).all()


def test_a_pool_is_computed_once_and_read_back_the_same(work):
    teacher = Scripted(TABLE)

    first, second = (build_pool(teacher, COLLECTION, "train", 4, work) for _ in range(2))

    assert teacher.searches == 1
    for column in fields(first):
        assert np.array_equal(getattr(first, column.name), getattr(second, column.name))


def test_another_teacher_under_the_same_name_gets_its_own_pool(work):
    first = build_pool(Scripted(TABLE), COLLECTION, "train", 4, work)
    second = build_pool(Scripted(TABLE[:, ::-1]), COLLECTION, "train", 4, work)

    assert not np.array_equal(first.positive, second.positive)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(work, value):
    table = TABLE.astype(float)
    table[1, 3] = value

    with pytest.raises(NumericError, match="scored toy with NaN or infinity"):
        build_pool(Scripted(table), COLLECTION, "train", 6, work)


def test_a_split_without_labelled_pairs_cannot_be_mined(work):
    with pytest.raises(DataError, match="the dev split has no labelled pair"):
        build_pool(Scripted(TABLE), COLLECTION, "dev", 6, work)


@pytest.mark.parametrize("name", ["bm25", "minilm"])
def test_a_real_teacher_scores_a_document_the_same_in_search_and_by_pair(work, name):
    collection = Synthetic(queries=10, documents=60).load()
    teacher = TEACHERS.create(name, {})
    queries = np.array([3, 0, 7, 3], dtype=np.int32)

    found = teacher.search(collection, queries, 5, work)
    pairs = [(row, place) for row in range(4) for place in range(5) if found.document[row, place] != PADDING]
    rows, places = np.array(pairs).T
    again = teacher.score(collection, queries[rows], found.document[rows, places], work)

    assert np.allclose(again, found.score[rows, places], atol=1e-5)
    assert np.array_equal(found.document[0], found.document[3])
    assert (np.diff(np.where(np.isfinite(found.score), found.score, -1.0), axis=1) <= 0).all()


def test_bm25_finds_no_document_without_a_common_word(work):
    collection = Collection("toy", ("a", "b"), ("red cat", "blue dog"), ("q", "r"), ("cat", "fish 漢"), {})

    found = TEACHERS.create("bm25", {}).search(collection, np.array([0, 1], dtype=np.int32), 2, work)

    assert found.document.tolist() == [[0, PADDING], [PADDING, PADDING]]
    assert found.score[0, 0] > 0
