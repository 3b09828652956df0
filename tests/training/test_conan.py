"""Which negatives Conan's schedule replaces, and by what."""

import numpy as np

from harness.mining.base import PADDING
from harness.training.data import TrainingData
from harness.training.refresh.base import Moment
from harness.training.refresh.conan import Conan


class Listed:
    """A mining whose candidates are given."""

    def __init__(self, candidates: list[list[int]]) -> None:
        self._candidates = np.array(candidates, dtype=np.int32)

    def candidates(self) -> np.ndarray:
        return self._candidates


def embed_with(cosine: dict[int, float]):
    """Make a model by which document d has the given cosine with every query, 0 if none is given."""

    def embed(texts, kind):
        values = np.array([1.0 if text == "query" else cosine.get(int(text), 0.0) for text in texts])
        return np.stack([values, np.sqrt(1.0 - values**2)], axis=1).astype(np.float32)

    return embed


def data(negative: list[list[int]], candidates: list[list[int]]) -> TrainingData:
    table = np.array(negative, dtype=np.int32)
    index = np.arange(len(table), dtype=np.int32)
    return TrainingData(
        ["query"] * len(table), [str(d) for d in range(60)], index, index + 50, table, mining=Listed(candidates)
    )


def renewed(given: TrainingData, first: dict[int, float], *later: dict[int, float], **params: float) -> list[list]:
    """Return the negatives after each renewal."""
    renewal = Conan(every=1, **params).begin(given, embed_with(first))
    negatives, found = given.negative, []
    for step, cosine in enumerate(later, start=1):
        negatives = renewal(Moment(step, negatives, embed_with(cosine)))
        found.append(negatives.tolist())
    return found


def test_a_negative_is_replaced_once_its_score_has_fallen_far_enough_and_is_low():
    given = data([[0, 1, 2, 3]], [list(range(40))])
    first = {0: 0.50, 1: 0.50, 2: 0.99, 3: 0.50}
    later = {0: 0.43, 1: 0.44, 2: 0.81, 3: 0.60}  # 0.50 / 1.15 = 0.4348, and 0.81 is not below 0.8

    assert renewed(given, first, later) == [[[10, 1, 2, 3]]]


def test_the_size_of_a_negative_score_counts_against_the_ceiling():
    given = data([[0, 1]], [list(range(40))])

    assert renewed(given, {0: 0.5, 1: 0.5}, {0: -0.7, 1: -0.9}) == [[[10, 1]]]


def test_the_next_replacement_of_a_pair_looks_one_window_deeper():
    given = data([[0, 1], [2, 3]], [list(range(40)), list(range(40))])
    first = {0: 0.6, 1: 0.6, 2: 0.6, 3: 0.6, 10: 0.5}
    once = {1: 0.6, 2: 0.6, 3: 0.6, 10: 0.5}  # 0 is easy
    twice = {1: 0.6, 2: 0.6, 10: 0.4}  # 10 and 3 are

    assert renewed(given, first, once, twice) == [[[10, 1], [2, 3]], [[12, 1], [2, 10]]]


def test_a_new_negative_begins_with_the_score_that_it_has_when_it_comes():
    given = data([[0]], [list(range(40))])
    first = {0: 0.9, 10: 0.9}
    later = ({10: 0.5}, {10: 0.45}, {10: 0.43})  # 10 came with 0.5: easy below 0.4348

    assert renewed(given, first, *later) == [[[10]], [[10]], [[11]]]


def test_an_easy_negative_that_stays_keeps_its_first_score():
    given = data([[0]], [[PADDING] * 10 + [PADDING, 11]])

    assert renewed(given, {0: 0.9}, {0: 0.7}, {0: 0.75}) == [[[0]], [[11]]]


def test_easy_negatives_of_a_pair_take_the_documents_of_the_window_in_turn():
    given = data([[0, 1, 2]], [list(range(40))])

    assert renewed(given, {0: 0.5, 1: 0.5, 2: 0.5}, {1: 0.5}) == [[[10, 1, 11]]]


def test_refused_candidates_and_those_that_the_pair_has_are_passed_over_and_the_rest_stays():
    window = [*range(20, 30), PADDING, 1, 33]
    given = data([[0, 1, 2]], [window])

    assert renewed(given, {0: 0.5, 1: 0.5, 2: 0.5}, {1: 0.5}) == [[[33, 1, 2]]]


def test_where_the_list_ends_negatives_stay():
    given = data([[0, 1]], [list(range(20, 31))])

    assert renewed(given, {0: 0.5, 1: 0.5}, {}, {}) == [[[30, 1]], [[30, 1]]]


def test_padding_is_neither_scored_nor_replaced():
    given = data([[0, PADDING], [PADDING, PADDING]], [list(range(40))] * 2)

    assert renewed(given, {0: 0.5}, {}) == [[[10, PADDING], [PADDING, PADDING]]]


def test_the_window_begins_where_it_is_told_to():
    given = data([[0, 1]], [list(range(40))])

    assert renewed(given, {0: 0.5, 1: 0.5}, {}, skip=5) == [[[5, 6]]]
