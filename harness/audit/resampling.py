"""Intervals of shares by resampling whole queries, since the documents of one query go together."""

import numpy as np
import numpy.typing as npt

from harness.audit.records import Rate

__all__ = ["Resamples"]

MOST = 2_000
_FEWEST = 200
_CELLS = 50_000_000
_TAILS = (2.5, 97.5)


class Resamples:
    """How often each query stands in each bootstrap sample; drawn once, so that all rates share the samples.

    `group` (n,) is equal for the rows of one query. There are 2,000 samples, fewer above
    25,000 queries, so that they fit into 200 MB.
    """

    def __init__(self, group: npt.NDArray[np.integer], rng: np.random.Generator) -> None:
        _, self._row_query = np.unique(group, return_inverse=True)
        queries = int(self._row_query.max(initial=-1)) + 1
        self.count = max(_FEWEST, min(MOST, _CELLS // max(1, queries)))
        # whole numbers in float32: sums below 2**24 are exact in any order
        self._weights = np.empty((self.count, queries), dtype=np.float32)
        for number in range(self.count):
            self._weights[number] = np.bincount(rng.integers(0, queries, queries), minlength=queries)

    def rate(self, part: npt.NDArray[np.integer], whole: npt.NDArray[np.integer]) -> Rate | None:
        """Return sum(part) / sum(whole) over rows, with its interval; None if there is no whole. Shapes (n,)."""
        if not whole.sum():
            return None
        parts, wholes = (self._per_sample(counts) for counts in (part, whole))
        shares = parts[wholes > 0] / wholes[wholes > 0]
        low, high = np.percentile(shares, _TAILS)
        return Rate(value=float(part.sum() / whole.sum()), low=float(low), high=float(high))

    def _per_sample(self, counts: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        queries = self._weights.shape[1]
        per_query = np.bincount(self._row_query, weights=counts, minlength=queries).astype(np.float32)
        sums: npt.NDArray[np.float64] = (self._weights @ per_query).astype(np.float64)
        return sums
