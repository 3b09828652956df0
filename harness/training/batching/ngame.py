"""Similar pairs in one batch, by the model as it learns."""

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.registry import BATCHERS
from harness.spec import STRICT
from harness.training.batching.base import Arrangement, Epoch, FloatArray, IntArray, Pairs, side_by_side

__all__ = ["NGAME", "balanced_clusters"]

_ROUNDS = 50
"""Rounds of one 2-means at most; it mostly settles within ten."""

Places = npt.NDArray[np.int64]
EpochNumber = Annotated[int, Interval(ge=1, le=1000)]


@BATCHERS.register("ngame", paper="arXiv:2207.04452")
@dataclass(kw_only=True, config=STRICT)
class NGAME:
    """Fill batches with clusters of similar queries, small clusters first (NGAME's negative-mining-aware batches).

    Clusters hold at most 1 pair at first, which is a plain shuffle, and `factor` times
    as many from each epoch of `grow_at` on (epochs count from 0); an epoch listed twice
    counts twice. They are made from the queries, or from the positives, as the model
    embeds them at the beginning of the epoch: when they grow, and every
    `refresh_interval` epochs after the first of `grow_at`. The paper clusters the inputs
    of a classifier, which are our queries; its labels are our positives. Published, for
    300 epochs and batches of 1600: a factor of 2, at 10, 20, 25, 50, 75, 100, 125, 150
    and 200, refreshed every 5. The defaults here suit the few epochs of a retriever.
    """

    grow_at: tuple[EpochNumber, ...] = (1, 2)
    factor: Annotated[int, Interval(ge=2, le=1024)] = 8
    refresh_interval: Annotated[int, Interval(ge=1, le=1000)] = 1
    by: Literal["queries", "positives"] = "queries"

    def size(self, epoch: int) -> int:
        """Return how many pairs a cluster holds at most in an epoch."""
        return int(self.factor ** sum(epoch >= grown for grown in self.grow_at))

    def due(self, epoch: int) -> bool:
        """Tell whether clusters are made anew in an epoch."""
        start = min(self.grow_at, default=epoch + 1)
        return epoch in self.grow_at or (epoch >= start and (epoch - start) % self.refresh_interval == 0)

    def arrange(self, pairs: Pairs, epoch: Epoch) -> Arrangement:
        """Return the clusters one after another, in random order."""
        cluster, anew = epoch.kept, self.due(epoch.number)
        if anew:
            vectors = pairs.embed_queries() if self.by == "queries" else pairs.embed_positives()
            cluster = balanced_clusters(vectors, self.size(epoch.number), epoch.rng)
        alone = np.arange(len(pairs), dtype=np.int32)
        return Arrangement(side_by_side(alone if cluster is None else cluster, epoch.rng), cluster, clustered=anew)


def balanced_clusters(vectors: FloatArray, size: int, rng: np.random.Generator) -> IntArray:
    """Halve n unit vectors by similarity until no part has more than `size`; return each vector's part. Shape (n,).

    All parts are halved equally often, so that their sizes differ by at most one.
    """
    parts: list[Places] = [np.arange(len(vectors))]
    while max(map(len, parts)) > size:
        parts = [half for part in parts for half in _halves(part, vectors, rng)]
    cluster = np.empty(len(vectors), dtype=np.int32)
    for number, part in enumerate(parts):
        cluster[part] = number
    return cluster


def _halves(part: Places, vectors: FloatArray, rng: np.random.Generator) -> list[Places]:
    """Split a part in two of sizes that differ by at most one: 2-means of unit vectors with equal clusters."""
    if len(part) == 1:
        return [part]
    own, middle = vectors[part], (len(part) + 1) // 2
    centres = own[rng.choice(len(part), size=2, replace=False)]
    left, right = part[:0], part[:0]
    for _ in range(_ROUNDS):
        before = left
        order = np.argsort(own @ (centres[1] - centres[0]), kind="stable")
        left, right = np.sort(order[:middle]), order[middle:]
        if np.array_equal(left, before):
            break
        centres = np.stack([own[left].mean(axis=0), own[right].mean(axis=0)])
    return [part[left], part[right]]
