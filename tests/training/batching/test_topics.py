from dataclasses import replace

import numpy as np
import pytest

from harness.training.batching.base import Pairs
from harness.training.batching.topics import Topics
from tests.training.batching.pairs import arranged, counted, cut, make_pairs, vectors_of

TOPIC = np.repeat(np.arange(4), [40, 33, 18, 9])  # 100 pairs


def four_topics() -> Pairs:
    noise = np.random.default_rng(0).normal(size=(100, 16)).astype(np.float32)
    vectors = vectors_of(TOPIC, 16) + 0.05 * noise
    every = np.arange(100, dtype=np.int32)
    return Pairs(every, every, lambda: vectors / np.linalg.norm(vectors, axis=1, keepdims=True), lambda: vectors)


def test_each_cluster_fills_as_many_batches_as_it_can_and_remnants_the_rest() -> None:
    found = arranged(Topics(cluster_size=25), four_topics(), epochs=3, batch_size=8)

    for each in found:
        pure = [TOPIC[batch[0]] for batch in cut(each, 8) if len(batch) == 8 and len(set(TOPIC[batch])) == 1]
        assert np.bincount(pure).tolist() == [5, 4, 2, 1]
        assert len(each.order) % 8 == len(cut(each, 8)[-1]) == 4


def test_batches_come_in_another_order_and_another_make_up_every_epoch() -> None:
    first, second = arranged(Topics(cluster_size=25), four_topics(), epochs=2, batch_size=8)

    topics = [[int(TOPIC[batch[0]]) for batch in cut(each, 8)[:-1]] for each in (first, second)]
    members = [{frozenset(batch.tolist()) for batch in cut(each, 8)} for each in (first, second)]

    assert all(
        np.count_nonzero(np.diff(each)) > 5 for each in topics
    )  # one after another would be 4 runs and the mixed
    assert topics[0] != topics[1]
    assert not members[0] & members[1]


def test_queries_are_embedded_once_for_the_whole_training() -> None:
    calls: list[int] = []
    pairs = four_topics()
    pairs = replace(pairs, embed_queries=counted(pairs.embed_queries, calls))

    found = arranged(Topics(cluster_size=25), pairs, epochs=4, batch_size=8)

    assert len(calls) == 1
    assert [each.clustered for each in found] == [True, False, False, False]
    assert all(each.cluster is found[0].cluster for each in found)


def test_a_query_counts_once_however_many_pairs_it_has() -> None:
    many = make_pairs([*[0] * 50, *range(1, 11)], np.arange(60))

    (arrangement,) = arranged(Topics(cluster_size=10), many, epochs=1, batch_size=8)

    assert arrangement.cluster is not None
    assert set(arrangement.cluster.tolist()) == {0}  # 11 queries are about one cluster of 10


def test_pairs_of_one_query_go_to_the_cluster_of_that_query() -> None:
    topic = np.arange(60) % 3
    query = np.concatenate([np.arange(60), np.arange(60)[::-1]]).astype(np.int32)[
        np.random.default_rng(0).permutation(120)
    ]
    pairs = replace(make_pairs(query, np.arange(120)), embed_queries=lambda: vectors_of(topic)[query])

    (arrangement,) = arranged(Topics(cluster_size=20), pairs, epochs=1, batch_size=8)

    assert arrangement.cluster is not None
    assert len(set(zip(topic[query].tolist(), arrangement.cluster.tolist(), strict=True))) == 3


@pytest.mark.parametrize("queries", [1, 2, 7])
def test_queries_that_are_all_alike_make_one_cluster(queries: int) -> None:
    pairs = make_pairs(np.arange(queries), np.arange(queries))
    alike = replace(pairs, embed_queries=lambda: np.ones((queries, 4), dtype=np.float32) / 2)

    (arrangement,) = arranged(Topics(cluster_size=2), alike, epochs=1, batch_size=4)

    assert arrangement.cluster is not None
    assert set(arrangement.cluster.tolist()) == {0}
