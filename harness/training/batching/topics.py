"""Pairs with queries of one topic in one batch."""

from typing import Annotated

import numpy as np
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.registry import BATCHERS
from harness.spec import STRICT
from harness.training.batching.base import Arrangement, Epoch, FloatArray, IntArray, Pairs, side_by_side

__all__ = ["Topics"]


@BATCHERS.register("topics", paper="arXiv:2104.06967")
@dataclass(kw_only=True, config=STRICT)
class Topics:
    """Fill each batch from one cluster of similar queries, clustered once by the base (TAS-B's topic-aware sampling).

    k-means puts the queries, each text once, into clusters of `cluster_size` on average;
    published are 2,000 clusters of about 200. In every epoch each cluster is shuffled and
    cut into batches. What is left of it, less than a batch, is put together with what is
    left of the others, and these mixed batches hold the remnants of several topics each.
    """

    cluster_size: Annotated[int, Interval(ge=2, le=100_000)] = 200

    def arrange(self, pairs: Pairs, epoch: Epoch) -> Arrangement:
        """Return the batches in random order, the smaller one, of remnants, last."""
        cluster, anew = epoch.kept, False
        if cluster is None:
            cluster, anew = self._clusters(pairs, epoch.rng), True
        order = side_by_side(cluster, epoch.rng)
        return Arrangement(_whole_batches(order, cluster, epoch), cluster, clustered=anew)

    def _clusters(self, pairs: Pairs, rng: np.random.Generator) -> IntArray:
        """Cluster the queries; pairs of one query share its cluster. Shape (n,)."""
        _, first, inverse = np.unique(pairs.query, return_index=True, return_inverse=True)
        vectors = pairs.embed_queries()[first]
        count = max(1, round(len(first) / self.cluster_size))
        return k_means(vectors, min(count, len(np.unique(vectors, axis=0))), rng)[inverse]


def k_means(vectors: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """Return the cluster of each vector, by Lloyd's algorithm from a k-means++ start. Shape (n,)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # several threads add up a centre in the order in which they end
    with threadpool_limits(limits=1, user_api="openmp"):
        found = KMeans(count, n_init=1, random_state=int(rng.integers(2**31))).fit_predict(vectors)
    return np.asarray(found, dtype=np.int32)


def _whole_batches(order: IntArray, cluster: IntArray, epoch: Epoch) -> IntArray:
    """Cut each cluster, which stands side by side in `order` (n,), into batches; remnants make up the rest."""
    size = epoch.batch_size
    ends = np.flatnonzero(np.diff(cluster[order])) + 1
    whole: list[IntArray] = []
    remnants: list[IntArray] = []
    for topic in np.split(order, ends):
        cut = len(topic) // size * size
        whole += np.split(topic[:cut], range(size, cut, size)) if cut else []
        remnants.append(topic[cut:])
    mixed = np.concatenate(remnants)
    full = len(mixed) // size * size
    whole += np.split(mixed[:full], range(size, full, size)) if full else []
    shuffled = [whole[place] for place in epoch.rng.permutation(len(whole))]
    return np.concatenate([*shuffled, mixed[full:]])
