"""Pairs that do not answer one another in one batch."""

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from harness.registry import BATCHERS
from harness.spec import STRICT
from harness.training.batching.base import Arrangement, Epoch, IntArray, Pairs
from harness.training.batching.conflicts import Conflicts

__all__ = ["NoDuplicates"]

_UNPLACED = -1


@BATCHERS.register("no_duplicates", paper="sentence-transformers NoDuplicatesBatchSampler, without its losses")
@dataclass(kw_only=True, config=STRICT)
class NoDuplicates:
    """Keep pairs apart that share a text, or of which one's positive answers the other's query.

    Each pair in turn, those with the most conflicts first, goes into a random batch
    that has room and no conflict with it. Where there is none, it changes places with
    a pair that can go where there is room. A pair for which that fails too, as must
    happen if a text stands in more pairs than there are batches, goes where it
    conflicts least; what is left over is counted in the record.
    """

    def arrange(self, pairs: Pairs, epoch: Epoch) -> Arrangement:
        """Return the batches one after another, in random order but for the smaller one, which is last."""
        placing = _Placing(Conflicts.of(pairs.query, pairs.positive), epoch.batch_size, epoch.rng)
        shuffled = epoch.rng.permutation(len(pairs))
        conflicts = placing.conflicts.counts[shuffled]
        hardest_first = shuffled[np.argsort(-conflicts, kind="stable")]
        some = np.count_nonzero(conflicts)
        for pair in hardest_first[:some]:
            placing.place(int(pair))
        placing.fill(hardest_first[some:])
        order: IntArray = np.argsort(placing.batch, kind="stable").astype(np.int32)
        return Arrangement(order)


class _Placing:
    """Batches of fixed sizes while they fill up; `batch` (n,) says where each pair stands."""

    def __init__(self, conflicts: Conflicts, batch_size: int, rng: np.random.Generator) -> None:
        n = len(conflicts.counts)
        self.conflicts = conflicts
        self.batch: npt.NDArray[np.int64] = np.full(n, _UNPLACED, dtype=np.int64)
        self._room = np.bincount(np.arange(n) // batch_size)
        self._rng = rng

    def place(self, pair: int) -> None:
        """Put a pair into a batch; one that others may have to make room in, if need be."""
        met = self._met(pair)
        room = np.flatnonzero(self._room)
        free = room[met[room] == 0]
        if free.size:
            self._put(pair, int(self._rng.choice(free)))
        elif not self._exchange(pair, met, room):
            least = room[met[room] == met[room].min()]
            self._put(pair, int(self._rng.choice(least)))

    def fill(self, pairs: npt.NDArray[np.int64]) -> None:
        """Put the last pairs, which conflict with none, wherever there is room."""
        self.batch[pairs] = np.repeat(np.arange(len(self._room)), self._room)

    def _met(self, pair: int) -> IntArray:
        """Count the conflicts of a pair in each batch. Shape (batches,)."""
        where = self.batch[self.conflicts.of_pair(pair)]
        return np.bincount(where[where != _UNPLACED], minlength=len(self._room)).astype(np.int32)

    def _exchange(self, pair: int, met: IntArray, room: npt.NDArray[np.int64]) -> bool:
        """Let a pair take the place of one that fits where there is room; tell whether there was one."""
        others = np.flatnonzero(self.batch != _UNPLACED)
        others = others[met[self.batch[others]] == 0]
        for other in self._rng.permutation(others):
            fits = room[self._met(int(other))[room] == 0]
            if fits.size:
                self._room[self.batch[other]] += 1
                self._put(pair, int(self.batch[other]))
                self._put(int(other), int(fits[0]))
                return True
        return False

    def _put(self, pair: int, batch: int) -> None:
        self.batch[pair] = batch
        self._room[batch] -= 1
