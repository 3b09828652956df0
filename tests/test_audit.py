from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.audit import auc, audit, difference_edges, is_hidden, negatives_digest, overlap, yields
from harness.collection import Judgements
from harness.measures import AuditRecord
from harness.mining.base import PADDING, Negatives, Pool, key_of
from harness.mining.shortage import Served


def toy_pool() -> Pool:
    """Two queries of a corpus of ten; document 2 is hidden for the first, 7 for the second, which did not find it."""
    return Pool(
        document=np.array([[1, 2, 3], [4, 5, PADDING]], dtype=np.int32),
        score=np.array([[0.9, 0.6, 0.2], [0.4, 0.3, -np.inf]], dtype=np.float32),
        positive=np.array([0.8, 0.5], dtype=np.float32),
        eligible=np.array([[True, True, True], [True, True, False]]),
        hidden=np.array([[False, True, False], [False, False, False]]),
        query=np.array([0, 1], dtype=np.int32),
        positive_document=np.array([0, 6], dtype=np.int32),
        group=np.array([0, 1], dtype=np.int32),
        excluded=np.array([[0], [6]], dtype=np.int32),
        pair_key=np.array([1, 2], dtype=np.uint64),
        document_key=np.array([key_of(str(index)) for index in range(10)], dtype=np.uint64),
    )


ROWS = Judgements.of([(0, 0, 1, False), (0, 2, 1, True), (1, 6, 1, False), (1, 7, 1, True)])


def chosen(removed: list[list[bool]] | None = None) -> Negatives:
    return Negatives(
        document=np.array([[2, 3], [7, PADDING]], dtype=np.int32),
        score=np.array([[0.6, 0.2], [0.1, np.nan]], dtype=np.float32),
        rank=np.array([[1, 2], [-1, -1]], dtype=np.int32),
        removed=np.array(removed or [[True, False, False], [False, False, False]]),
    )


BOTH = np.array([True, True])


def test_hidden_positives_count_in_the_pool_and_outside_it():
    assert is_hidden(toy_pool(), chosen(), ROWS).tolist() == [[True, False], [True, False]]


def test_contamination_and_hardness_are_means_over_negatives():
    record = audit(toy_pool(), chosen(), ROWS, BOTH)

    assert (record.negatives, record.hidden) == (3, 2)
    assert record.contamination == pytest.approx(2 / 3)
    assert record.hardness == pytest.approx(((0.6 - 0.8) + (0.2 - 0.8) + (0.1 - 0.5)) / 3)
    assert (record.removed, record.hidden_removed, record.hidden_in_pool) == (1, 0, 1)


def test_pairs_that_are_not_trained_on_do_not_count():
    record = audit(toy_pool(), chosen(), ROWS, np.array([True, False]))

    assert (record.negatives, record.hidden, record.hidden_in_pool) == (2, 1, 1)
    assert sum(record.histograms.counts["positive"]) == 1


def test_a_removed_hidden_positive_is_counted():
    record = audit(toy_pool(), chosen([[False, True, False], [False, False, False]]), ROWS, BOTH)

    assert (record.removed, record.hidden_removed) == (1, 1)


def test_histograms_hold_every_score_on_an_axis_that_the_negatives_do_not_move():
    first = audit(toy_pool(), chosen(), ROWS, BOTH).histograms
    other = audit(toy_pool(), replace(chosen(), score=np.full((2, 2), 5.0, dtype=np.float32)), ROWS, BOTH).histograms

    assert {kind: sum(counts) for kind, counts in first.counts.items()} == {
        "positive": 2,
        "negative": 3,
        "removed": 1,
        "hidden": 1,
    }
    assert first.edges == other.edges
    assert first.edges[0] == -0.2
    assert first.edges[-1] == pytest.approx(0.9)


def test_differences_count_the_negatives_left_and_right_of_their_positive():
    above = replace(chosen(), score=np.array([[0.9, 0.8], [0.1, np.nan]], dtype=np.float32))

    found = audit(toy_pool(), above, ROWS, BOTH).differences

    zero = found.edges.index(0.0)
    assert sum(found.counts[:zero]) == 1  # 0.9 beside a positive of 0.8
    assert found.counts[zero] == 1  # as high as its positive
    assert found.counts[next(bin_ for bin_, edge in enumerate(found.edges) if edge > 0.4) - 1] == 1
    assert sum(found.counts) == 3
    assert len(found.edges) == len(found.counts) + 1


def test_the_axis_of_differences_has_room_for_every_candidate_and_any_random_negative():
    edges = difference_edges(toy_pool())

    assert edges.tolist() == list(audit(toy_pool(), chosen(), ROWS, BOTH).differences.edges)
    assert edges[0] == pytest.approx(0.8 - 0.9, abs=edges[1] - edges[0])
    assert edges[0] <= np.float32(0.8) - np.float32(0.9)
    assert edges[-1] == pytest.approx(0.8 + 0.2, abs=edges[1] - edges[0])
    assert edges[-1] >= 1.0
    assert np.diff(edges) == pytest.approx(np.full(len(edges) - 1, 1.1 / 60))


def test_a_pool_whose_scores_are_all_alike_has_an_axis_too():
    alike = replace(toy_pool(), score=np.zeros((2, 3), dtype=np.float32), positive=np.zeros(2, dtype=np.float32))

    for pool in (alike, replace(alike, score=np.full((2, 3), -np.inf, dtype=np.float32))):
        edges = difference_edges(pool)
        assert edges[0] == 0.0
        assert edges[-1] > 0.0


def test_records_without_differences_are_read_and_dumped_as_they_were():
    record = audit(toy_pool(), chosen(), ROWS, BOTH)

    old = record.model_copy(update={"differences": None})

    assert "differences" not in old.model_dump()
    assert AuditRecord.model_validate_json(old.model_dump_json()) == old
    assert AuditRecord.model_validate_json(record.model_dump_json()) == record


def test_without_negatives_there_is_nothing_to_measure():
    none = replace(chosen(), document=np.full((2, 2), PADDING, dtype=np.int32))

    record = audit(toy_pool(), none, ROWS, BOTH)

    assert (record.negatives, record.contamination, record.hardness, record.auc) == (0, 0.0, None, None)


def test_yields_count_each_pair_once():
    served = Served(
        negatives=chosen(),
        mined=np.array([2, 1, 0, 2], dtype=np.int32),
        filled=np.array([0, 1, 2, 0], dtype=np.int32),
        trained=np.ones(4, dtype=np.bool_),
    )

    counted = yields(served, np.array([True, True, True, False]), 2)

    assert counted.model_dump() == {
        "full": 2,
        "partial": 1,
        "empty": 1,
        "backfilled": 3,
        "dropped": 1,
        "trained": 3,
    }
    assert counted.pairs == 4


SCORES = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12).map(lambda x: np.array(x, dtype=np.float32))


@given(SCORES, SCORES)
def test_auc_is_the_share_of_ordered_pairs(positive, negative):
    wins = [1.0 if p > n else 0.5 if p == n else 0.0 for p in positive for n in negative]

    assert auc(positive, negative) == pytest.approx(sum(wins) / len(wins))


@given(SCORES, SCORES)
def test_overlap_is_symmetric_and_one_only_for_equal_distributions(left, right):
    value = overlap(left, right)

    assert value == pytest.approx(overlap(right, left))
    assert 0.0 <= value <= 1.0 + 1e-9
    assert overlap(left, left) == pytest.approx(1.0)
    if left.max() < right.min():
        assert value == pytest.approx(0.0)


def test_the_digest_of_negatives_names_documents_and_not_their_places():
    names = (("q0", "q1"), tuple(f"d{index}" for index in range(10)))
    renamed = (names[0], (*names[1][:3], "other", *names[1][4:]))
    padded = replace(chosen(), document=np.array([[2, 3, -1], [7, -1, -1]], dtype=np.int32))
    swapped = replace(chosen(), document=np.array([[3, 2], [7, -1]], dtype=np.int32))

    digests = [
        negatives_digest(which, toy_pool(), negatives)
        for which, negatives in ((names, chosen()), (names, padded), (renamed, chosen()), (names, swapped))
    ]

    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
