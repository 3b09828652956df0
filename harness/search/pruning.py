"""When a point of a search is given up: its dev queries are answered worse than the best point answers them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.record import read_per_query, record_of
from harness.spec import MetricName, PlannedRun, PruneSpec

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Pruner", "blocks", "significantly_worse"]

_DIGITS = 12
"""Decimals of a difference: the dust of an average over seeds that cancel would have ranks like any other."""

FloatArray = npt.NDArray[np.float64]


class Pruner:
    """Compares a point that is under way with the best so far, query by query on dev."""

    def __init__(self, folder: Path, spec: PruneSpec, metric: MetricName) -> None:
        self._folder = folder
        self._spec = spec
        self._metric = metric

    def gives_up(self, runs: Sequence[PlannedRun], best: Sequence[PlannedRun]) -> bool:
        """Tell whether the finished ones of `runs` are significantly worse than those of `best` on their place.

        Seeds are no observations: a query's differences are averaged over them first.
        """
        against = {(run.dataset, run.seed): run for run in best}
        by_dataset: dict[str, list[pd.Series]] = {}
        for run in runs:
            other = against.get((run.dataset, run.seed))
            record = record_of(self._folder, run)
            if other is not None and record is not None and record.status == "finished":
                by_dataset.setdefault(run.dataset, []).append(self._on_dev(run) - self._on_dev(other))
        if not by_dataset:
            return False
        means = [(sum(found[1:], found[0]) / len(found)).to_numpy() for found in by_dataset.values()]
        observed = np.concatenate([blocks(differences, self._spec.block) for differences in means])
        return significantly_worse(np.round(observed, _DIGITS), self._spec.p_threshold)

    def _on_dev(self, run: PlannedRun) -> "pd.Series":
        frame = read_per_query(self._folder / "runs" / run.fingerprint)
        scores = frame[frame["split"] == "dev"].set_index("query_id")[self._metric]
        return scores.astype("float64").sort_index()


def blocks(differences: FloatArray, size: int) -> FloatArray:
    """Return the means of consecutive blocks of `size` queries, the last of which may be smaller. Shape (blocks,)."""
    starts = np.arange(0, len(differences), size)
    counts = np.diff([*starts, len(differences)])
    return np.asarray(np.add.reduceat(differences, starts) / counts, dtype=np.float64)


def significantly_worse(differences: FloatArray, threshold: float) -> bool:
    """Tell whether paired differences lie below zero by a one-sided Wilcoxon signed-rank test (Wilcoxon, 1945).

    Differences of zero count half for either side. A mean that is not below zero is never
    worse, whatever the ranks say.
    """
    from scipy.stats import wilcoxon

    if not float(differences.mean()) < 0.0:
        return False
    return float(wilcoxon(differences, zero_method="zsplit", alternative="less").pvalue) < threshold
