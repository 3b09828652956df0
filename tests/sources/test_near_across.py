import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.sources import near_across
from harness.sources.near_across import similar_across
from harness.sources.near_identical import jaccard

SETS = st.lists(st.frozensets(st.sampled_from("abcdefghijkl"), max_size=12), max_size=12)


def compared_one_by_one(left, right, threshold):
    return [[i, j] for i, a in enumerate(left) for j, b in enumerate(right) if a and jaccard(a, b) >= threshold]


@settings(max_examples=300, deadline=None)
@given(left=SETS, right=SETS, threshold=st.sampled_from([0.1, 0.5, 2 / 3, 0.7, 0.75, 0.8, 1.0]))
def test_exactly_the_pairs_that_comparing_all_finds_are_found(left, right, threshold) -> None:
    found = similar_across(left, right, threshold)

    assert found.shape[1] == 2
    assert compared_one_by_one(left, right, threshold) == found.tolist()


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_the_size_of_a_block_changes_nothing(rows, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    left, right = ([frozenset(rng.integers(0, 15, 8).astype(str).tolist()) for _ in range(20)] for _ in range(2))
    monkeypatch.setattr(near_across, "_ROWS", rows)

    assert compared_one_by_one(left, right, 0.5) == similar_across(left, right, 0.5).tolist() != []


def test_a_pair_exactly_at_the_threshold_counts() -> None:
    seven, ten = frozenset("abcdefg"), frozenset("abcdefghij")

    assert similar_across([seven], [ten], 0.7).tolist() == [[0, 0]]
    assert similar_across([seven], [ten], 0.7001).tolist() == []


def test_nothing_is_similar_to_an_empty_list_or_an_empty_set() -> None:
    empty, full = frozenset(), frozenset("ab")

    assert similar_across([], [full], 0.5).shape == similar_across([full], [], 0.5).shape == (0, 2)
    assert similar_across([empty, full], [empty], 0.5).shape == (0, 2)


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.01])
def test_a_threshold_that_would_pair_everything_or_nothing_is_refused(threshold) -> None:
    with pytest.raises(ValueError, match=r"threshold must be in \(0, 1\], got"):
        similar_across([], [], threshold)
