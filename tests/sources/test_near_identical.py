import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.sources.near_identical import components, jaccard, similar_pairs

# few distinct tokens and many sizes: ties at the threshold and near-copies are then common
TOKEN_SETS = st.lists(st.frozensets(st.sampled_from("abcdefghijklmnopqrst"), max_size=20), max_size=25)


@given(TOKEN_SETS, st.sampled_from([0.5, 0.6, 2 / 3, 0.7, 0.75, 0.8, 0.9, 1.0]))
def test_the_pairs_are_those_of_a_comparison_of_all(sets: list[frozenset[str]], threshold: float) -> None:
    expected = [
        (left, right)
        for left in range(len(sets))
        for right in range(left + 1, len(sets))
        if jaccard(sets[left], sets[right]) >= threshold
    ]

    assert expected == similar_pairs(sets, threshold)


def test_a_similarity_of_exactly_the_threshold_counts() -> None:
    left, right = frozenset("abcdefg"), frozenset("abcdefghij")

    assert jaccard(left, right) == 0.7
    assert similar_pairs([left, right], 0.7) == [(0, 1)]


def test_empty_sets_are_similar_to_nothing() -> None:
    assert similar_pairs([frozenset(), frozenset(), frozenset("a")], 0.5) == []


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=15))
def test_linked_items_share_the_smallest_member_as_their_component(links: list[tuple[int, int]]) -> None:
    found = components(12, links)

    reach = [{at} for at in range(12)]
    for _ in range(12):
        for left, right in links:
            reach[left] |= reach[right]
            reach[right] |= reach[left]
    assert [min(each) for each in reach] == found


@pytest.mark.parametrize("links", [[(0, 1), (1, 2)], [(2, 1), (1, 0)], [(0, 2), (2, 1)]])
def test_components_do_not_depend_on_the_order_of_links(links: list[tuple[int, int]]) -> None:
    assert components(4, links) == [0, 0, 0, 3]
