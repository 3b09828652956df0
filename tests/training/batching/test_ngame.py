from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.training.batching.base import Pairs
from harness.training.batching.ngame import NGAME, balanced_clusters
from harness.training.batching.random import Random
from tests.training.batching.pairs import arranged, counted, cut, make_pairs, vectors_of

GROUPS = np.arange(256) % 16


def grouped() -> Pairs:
    """Return 256 pairs whose positives, and queries, lie around 16 directions."""
    centre = vectors_of(GROUPS, 16)

    def near(seed: int) -> np.ndarray:
        found = centre + 0.3 * np.random.default_rng(seed).normal(size=centre.shape).astype(np.float32) / 4
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    every = np.arange(256, dtype=np.int32)
    return Pairs(every, every, lambda: near(0), lambda: near(1))


def hardest(pairs: Pairs, batches: list[np.ndarray]) -> float:
    """Return the mean over pairs of the query's largest cosine with another pair's positive of its batch."""
    query, positive = pairs.embed_queries(), pairs.embed_positives()
    found = []
    for batch in batches:
        cosine = query[batch] @ positive[batch].T
        np.fill_diagonal(cosine, -1.0)
        found += cosine.max(axis=1).tolist()
    return float(np.mean(found))


@given(n=st.integers(1, 200), size=st.integers(1, 64), seed=st.integers(0, 99))
def test_cluster_sizes_differ_by_at_most_one_and_none_is_too_large(n: int, size: int, seed: int) -> None:
    vectors = vectors_of(np.random.default_rng(seed).integers(0, 20, size=n))

    sizes = np.bincount(balanced_clusters(vectors, size, np.random.default_rng(seed)))

    assert sizes.sum() == n
    assert sizes.max() <= size
    assert sizes.max() - sizes.min() <= 1
    assert len(sizes) == 1 or 2 * sizes.max() > size
    assert (len(sizes) == 1) == (n <= size)


@pytest.mark.parametrize("seed", range(5))
def test_two_clouds_of_one_size_are_told_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cloud = rng.permutation(64) % 2
    vectors = rng.normal(scale=0.3, size=(64, 8))  # two random ones of a cloud point anywhere
    vectors[:, 0] += np.where(cloud, 1.0, -1.0)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    found = balanced_clusters(vectors, 32, np.random.default_rng(seed))

    assert len({(int(left), int(right)) for left, right in zip(cloud, found, strict=True)}) == 2


@pytest.mark.parametrize("by", ["queries", "positives"])
def test_batches_of_similar_texts_are_harder_than_random_ones(by: Literal["queries", "positives"]) -> None:
    pairs = grouped()
    ngame = arranged(NGAME(grow_at=(1, 2), factor=4, by=by), pairs, epochs=3, batch_size=16)
    random = arranged(Random(), pairs, epochs=3, batch_size=16)

    plain = [hardest(pairs, cut(each, 16)) for each in random]
    small, fours, sixteens = (hardest(pairs, cut(each, 16)) for each in ngame)

    assert small == pytest.approx(np.mean(plain), abs=0.03)
    assert fours > max(plain) + 0.03
    assert sixteens > fours


def test_before_clusters_grow_the_order_is_a_plain_shuffle_and_nothing_is_embedded() -> None:
    calls: list[int] = []
    pairs = make_pairs(np.arange(50), np.arange(50))
    pairs = replace(pairs, embed_queries=counted(pairs.embed_queries, calls))

    ngame, random = (arranged(batcher, pairs, epochs=2, batch_size=8) for batcher in (NGAME(grow_at=(2,)), Random()))

    assert [each.order.tolist() for each in ngame] == [each.order.tolist() for each in random]
    assert calls == []


@pytest.mark.parametrize(
    ("batcher", "anew", "sizes"),
    [
        (NGAME(), [1, 2, 3, 4, 5, 6, 7], [1, 8, 64, 64, 64, 64, 64, 64]),
        (NGAME(grow_at=(2,), refresh_interval=3), [2, 5], [1, 1, 8, 8, 8, 8, 8, 8]),
        (NGAME(grow_at=(1, 3, 3), factor=2, refresh_interval=4), [1, 3, 5], [1, 2, 2, 8, 8, 8, 8, 8]),
        (NGAME(grow_at=()), [], [1] * 8),
    ],
)
def test_clusters_are_made_anew_at_exactly_the_right_epochs(batcher: NGAME, anew: list[int], sizes: list[int]) -> None:
    calls: list[int] = []
    pairs = make_pairs(np.arange(64), np.arange(64))
    pairs = replace(pairs, embed_queries=counted(pairs.embed_queries, calls))

    found = arranged(batcher, pairs, epochs=8, batch_size=8)

    assert [number for number, each in enumerate(found) if each.clustered] == anew
    assert len(calls) == len(anew)
    largest = [1 if each.cluster is None else int(np.bincount(each.cluster).max()) for each in found]
    assert largest == sizes


def test_kept_clusters_stay_and_come_in_another_order() -> None:
    pairs = grouped()

    first, second = arranged(NGAME(grow_at=(1,), refresh_interval=9), pairs, epochs=3, batch_size=8)[1:]

    assert first.cluster is second.cluster
    assert second.cluster is not None
    assert first.order.tolist() != second.order.tolist()
    for each in (first, second):
        assert np.count_nonzero(np.diff(second.cluster[each.order])) == 256 // 8 - 1


def test_clusters_are_those_of_the_texts_that_are_asked_for() -> None:
    pairs = make_pairs(np.arange(40) % 2, np.arange(40) // 20)
    distinct = replace(
        pairs, embed_queries=lambda: vectors_of(pairs.query), embed_positives=lambda: vectors_of(pairs.positive)
    )

    by_query, by_positive = (
        arranged(NGAME(grow_at=(1,), factor=20, by=by), distinct, epochs=2, batch_size=8)[1].cluster
        for by in ("queries", "positives")
    )

    assert by_query is not None
    assert by_positive is not None
    assert len(set(zip(pairs.query.tolist(), by_query.tolist(), strict=True))) == 2
    assert len(set(zip(pairs.positive.tolist(), by_positive.tolist(), strict=True))) == 2
