"""Miners that spread their draws evenly over how hard candidates are."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.mining.base import BoolArray, FloatArray, Negatives, Pool
from harness.mining.margin import Ceiling
from harness.mining.rank import Count
from harness.registry import MINERS
from harness.spec import STRICT

__all__ = ["MarginBalanced", "bins_of"]

Bins = npt.NDArray[np.int64]


@MINERS.register("margin_balanced", paper="arXiv:2104.06967")
@dataclass(kw_only=True, config=STRICT)
class MarginBalanced(Ceiling):
    """Draw a bin of margins, then a candidate in it, k times: easy and hard ones alike (TAS-B's balanced margins).

    The margins of a pair, positive's score minus candidate's, are put into `bins` bins
    of equal width between the pair's smallest and largest. Each draw takes one of the
    bins that still hold a candidate, uniformly, then one of its candidates, uniformly,
    without replacement. TAS-B draws one negative anew whenever a query is trained on,
    which is k = 1 with `redraw: true`, and bins the pairs that its teacher scored; here
    those are the candidates under the ceilings, by default all.
    """

    k: Count = 4
    bins: Annotated[int, Interval(ge=1, le=1000)] = 10

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Draw k candidates, in the order in which they are drawn."""
        keep = self.keep(pool)
        place = bins_of(pool.score, keep, self.bins)
        turn = _turns(place, keep, pool.uniform(rng))
        row = np.arange(len(keep))
        taken = np.zeros((len(keep), self.bins), dtype=np.int64)
        drawn = np.zeros(keep.shape)  # k for the first that is drawn, then k - 1, ...
        for left in range(self.k, 0, -1):
            # the next candidate of each bin; fresh noise, since that of losers is no longer uniform
            stands = keep & (turn == np.take_along_axis(taken, place, axis=1))
            noise = np.where(stands, pool.uniform(rng), 0.0)
            if noise.size:
                best = noise.argmax(axis=1)
                found = stands[row, best]
                drawn[row[found], best[found]] = left
                np.add.at(taken, (row[found], place[row, best][found]), 1)
        return pool.best(drawn > 0, by=drawn, k=self.k, refused=~keep)


def bins_of(score: FloatArray, keep: BoolArray, bins: int) -> Bins:
    """Return each candidate's bin of margins, 0 for the hardest; meaningless outside `keep`. Shape (n, m).

    A row has one positive, so that equal bins of its margins are equal bins of `score`
    (n, m). A margin between two bins falls into the easier one.
    """
    kept = np.where(keep, score, np.nan).astype(np.float64)
    best = np.fmax.reduce(kept, axis=1, initial=np.nan, keepdims=True)
    worst = np.fmin.reduce(kept, axis=1, initial=np.nan, keepdims=True)
    width = np.where(best > worst, best - worst, 1.0)
    share = np.where(keep, (best - kept) / width, 0.0)
    place: Bins = np.minimum((share * bins).astype(np.int64), bins - 1)
    return place


def _turns(place: Bins, keep: BoolArray, noise: npt.NDArray[np.float64]) -> Bins:
    """Number the kept candidates of each bin in random order from 0. Shape (n, m)."""
    order = np.argsort(np.where(keep, place + noise, np.inf), axis=1, kind="stable")
    bin_in_order = np.take_along_axis(place, order, axis=1)
    starts = np.ones(place.shape, dtype=np.bool_)
    starts[:, 1:] = bin_in_order[:, 1:] != bin_in_order[:, :-1]
    column = np.broadcast_to(np.arange(place.shape[1]), place.shape)
    first = np.maximum.accumulate(np.where(starts, column, 0), axis=1)
    turn = np.empty_like(place)
    np.put_along_axis(turn, order, column - first, axis=1)
    return turn
