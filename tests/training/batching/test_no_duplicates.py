from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.training.batching.base import Arrangement, Pairs, side_by_side
from harness.training.batching.conflicts import Conflicts, count_conflicts
from harness.training.batching.no_duplicates import NoDuplicates
from harness.training.batching.random import Random
from tests.training.batching.pairs import arranged, cut, make_pairs, pairs

BRIEF = settings(max_examples=60, deadline=None)


def by_a_loop(given_pairs: Pairs, first: int, second: int) -> bool:
    """Tell whether the positive of one of two pairs is known to answer the other's query."""
    known = set(zip(given_pairs.query.tolist(), given_pairs.positive.tolist(), strict=True))
    query, positive = given_pairs.query.tolist(), given_pairs.positive.tolist()
    return (query[first], positive[second]) in known or (query[second], positive[first]) in known


def conflicts_in(given_pairs: Pairs, arrangement: Arrangement, batch_size: int) -> int:
    return count_conflicts(Conflicts.of(given_pairs.query, given_pairs.positive), arrangement.order, batch_size)


@BRIEF
@given(given_pairs=pairs())
def test_conflicts_are_those_of_a_plain_loop(given_pairs: Pairs) -> None:
    conflicts = Conflicts.of(given_pairs.query, given_pairs.positive)

    for pair in range(len(given_pairs)):
        others = [other for other in range(len(given_pairs)) if other != pair]
        assert conflicts.of_pair(pair).tolist() == [other for other in others if by_a_loop(given_pairs, pair, other)]


@BRIEF
@given(given_pairs=pairs(), batch_size=st.integers(2, 30))
def test_conflicts_of_batches_are_counted_once_each(given_pairs: Pairs, batch_size: int) -> None:
    (arrangement,) = arranged(Random(), given_pairs, epochs=1, batch_size=batch_size)

    met = [by_a_loop(given_pairs, *two) for batch in cut(arrangement, batch_size) for two in combinations(batch, 2)]

    assert conflicts_in(given_pairs, arrangement, batch_size) == sum(met)


def test_pairs_of_one_query_of_one_positive_and_of_a_query_that_the_other_s_positive_answers_conflict() -> None:
    one_query, one_positive = make_pairs([0, 0], [0, 1]), make_pairs([0, 1], [0, 0])
    crossed = make_pairs([0, 0, 1], [0, 1, 1])  # pairs 0 and 2 share no text, but positive 1 answers query 0

    assert Conflicts.of(one_query.query, one_query.positive).counts.tolist() == [1, 1]
    assert Conflicts.of(one_positive.query, one_positive.positive).counts.tolist() == [1, 1]
    assert Conflicts.of(crossed.query, crossed.positive).counts.tolist() == [2, 2, 2]


@pytest.mark.parametrize("seed", range(5))
def test_a_text_in_as_many_pairs_as_there_are_batches_goes_once_into_each(seed: int) -> None:
    given_pairs = make_pairs([*[0] * 5, *range(1, 36)], [*range(35), *[35] * 5])

    (arrangement,) = arranged(NoDuplicates(), given_pairs, epochs=1, batch_size=8, seed=seed)

    assert conflicts_in(given_pairs, arrangement, 8) == 0
    assert [np.count_nonzero(given_pairs.query[batch] == 0) for batch in cut(arrangement, 8)] == [1] * 5
    assert [np.count_nonzero(given_pairs.positive[batch] == 35) for batch in cut(arrangement, 8)] == [1] * 5


@pytest.mark.parametrize("seed", range(20))
def test_pairs_make_room_for_those_that_come_late(seed: int) -> None:
    # queries with 3, 3, 2, 2 and 2 positives fill 4 batches of 3 exactly; the last often find both places in one batch
    given_pairs = make_pairs([0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4], np.arange(12))

    (arrangement,) = arranged(NoDuplicates(), given_pairs, epochs=1, batch_size=3, seed=seed)

    assert conflicts_in(given_pairs, arrangement, 3) == 0


def test_what_cannot_be_kept_apart_is_spread_evenly_and_counted() -> None:
    given_pairs = make_pairs([0] * 6 + list(range(1, 7)), np.arange(12))  # 6 pairs of one query, 3 batches

    (arrangement,) = arranged(NoDuplicates(), given_pairs, epochs=1, batch_size=4)

    assert conflicts_in(given_pairs, arrangement, 4) == 3
    assert [np.count_nonzero(given_pairs.query[batch] == 0) for batch in cut(arrangement, 4)] == [2, 2, 2]


def test_few_duplicates_never_meet_and_in_random_batches_they_do() -> None:
    query = np.concatenate([np.arange(300), np.arange(100)])
    given_pairs = make_pairs(query, np.arange(400))

    ours, plain = (arranged(batcher, given_pairs, epochs=5, batch_size=64) for batcher in (NoDuplicates(), Random()))

    assert [conflicts_in(given_pairs, each, 64) for each in ours] == [0] * 5
    assert all(conflicts_in(given_pairs, each, 64) > 0 for each in plain)


def test_clusters_of_one_stand_as_in_a_plain_shuffle_and_others_together() -> None:
    alone = side_by_side(np.arange(50, dtype=np.int32), np.random.default_rng(3))
    threes = np.repeat(np.arange(10), 3)[np.random.default_rng(4).permutation(30)].astype(np.int32)
    order = side_by_side(threes, np.random.default_rng(3))

    assert alone.tolist() == np.random.default_rng(3).permutation(50).tolist()
    assert [len(set(threes[order][start : start + 3].tolist())) for start in range(0, 30, 3)] == [1] * 10
