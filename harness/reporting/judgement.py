"""How far a report's judgements carry: the choice of the best arm, where scores vary, whole runs, looks at test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.reporting.comparisons import SEED, contenders, dev_score, paired
from harness.reporting.results import Cell, Results
from harness.stats import (
    ENOUGH_SEEDS,
    BestOf,
    Interval,
    VarianceComponents,
    best_of,
    interquartile_mean,
    max_t,
    probability_of_improvement,
    variance_components,
)

__all__ = ["Aggregate", "Looks", "Selection", "Varying", "aggregates", "looks", "selections", "varying"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Selection:
    """The best of `count` arms on a dataset, allowed for that the same queries chose it.

    `p` is the max-T adjusted p of its difference to the baseline over all arms; None
    without a baseline or where the baseline is best.
    """

    dataset: str
    arm: str
    count: int
    result: BestOf
    p: float | None


def selections(results: Results) -> tuple[Selection, ...]:
    """Return the corrected best of every dataset with at least two contenders and two queries."""
    found = (_selection(results, dataset) for dataset in results.datasets)
    return tuple(each for each in found if each is not None)


def _selection(results: Results, dataset: str) -> Selection | None:
    cells = [cell for name in contenders(results) if (cell := results.cells.get((name, dataset))) and cell.runs]
    if len(cells) < 2 or len(cells[0].queries) < 2:  # noqa: PLR2004
        return None
    scores = np.column_stack([cell.scores.mean(axis=1) for cell in cells])
    baseline = results.cells.get((results.baseline or "", dataset))
    reference = baseline.scores.mean(axis=1) if baseline is not None and baseline.runs else None
    chosen = best_of(scores, baseline=reference, seed=SEED)
    best = cells[chosen.arm].arm.name
    p = None
    if reference is not None and best != results.baseline:
        others = [index for index, cell in enumerate(cells) if cell.arm.name != results.baseline]
        p = max_t(scores[:, others] - reference[:, None], seed=SEED)[others.index(chosen.arm)]
    return Selection(dataset, best, len(cells), chosen, p)


@dataclass(frozen=True)
class Varying:
    """The variance components of an arm's differences to the baseline, or of its scores without one."""

    arm: str
    components: VarianceComponents


def varying(results: Results) -> tuple[Varying, ...]:
    """Return the components of every arm that has two seeds and two queries on each dataset, in the plan's order."""
    found = []
    for arm in results.plan.arms:
        tables = _tables(results, arm.name) if arm.name != results.baseline else []
        if len(tables) == len(results.datasets) and all(min(table.shape) > 1 for table in tables):
            found.append(Varying(arm.name, variance_components(tables)))
    return tuple(found)


def _tables(results: Results, arm: str) -> list[FloatArray]:
    tables = []
    for dataset in results.datasets:
        cell, other = results.cells.get((arm, dataset)), results.cells.get((results.baseline or "", dataset))
        if cell is not None and cell.runs and results.baseline is None:
            tables.append(cell.scores)
        elif cell is not None and other is not None and (pair := paired(cell, other)) is not None:
            tables.append(pair[0] - pair[1])
    return tables


@dataclass(frozen=True)
class Aggregate:
    """What the runs of one arm say as wholes; `improvement` is over the baseline, None without one."""

    arm: str
    seeds: int
    middle: Interval
    improvement: Interval | None


def aggregates(results: Results) -> tuple[Aggregate, ...]:
    """Return the aggregates of every trained arm with enough seeds on each dataset."""
    runs = {
        arm.name: _runs([results.cells.get((arm.name, dataset)) for dataset in results.datasets])
        for arm in results.plan.arms
    }
    baseline = runs.get(results.baseline or "")
    found = []
    for arm in results.plan.arms:
        own = runs[arm.name]
        if own is not None and arm.training is not None:
            better = baseline is not None and arm.name != results.baseline
            improvement = (
                probability_of_improvement(own, baseline, seed=SEED) if better and baseline is not None else None
            )
            found.append(Aggregate(arm.name, len(own), interquartile_mean(own, seed=SEED), improvement))
    return tuple(found)


def _runs(cells: Sequence[Cell | None]) -> FloatArray | None:
    """Return the mean score of each run, (seeds, datasets), cut to the fewest seeds; None where these are too few."""
    known = [cell.scores.mean(axis=0) for cell in cells if cell is not None and cell.runs]
    fewest = min((len(means) for means in known), default=0)
    if len(known) < len(cells) or fewest < ENOUGH_SEEDS:
        return None
    return np.column_stack([means[:fewest] for means in known])


@dataclass(frozen=True)
class Looks:
    """How often the test split was looked at, and how dev and test agree.

    `runs` were evaluated on test, of `arms` arms; `unjudged` of these arms are points of a
    search that are not judged on test. `gaps` has test less dev of every contender that
    has both; dev means of a guarded search are not shown and not in it.
    """

    runs: int
    arms: int
    unjudged: int
    gaps: dict[str, float]


def looks(results: Results, unjudged: Sequence[str]) -> Looks:
    """Count the looks at the test split."""
    arms = {cell.arm.name for cell, _ in results.finished()}
    gaps = {}
    for arm in contenders(results) if not results.behind_guard else ():
        dev = dev_score(results, arm)
        cells = [results.cells.get((arm, dataset)) for dataset in results.datasets]
        test = [float(cell.scores.mean()) for cell in cells if cell is not None and cell.runs]
        if dev is not None and len(test) == len(cells):
            gaps[arm] = float(np.mean(test)) - dev
    return Looks(sum(1 for _ in results.finished()), len(arms), len(arms & set(unjudged)), gaps)
