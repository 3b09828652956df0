"""How each arm does on the sets that a sweep evaluates besides its own datasets."""

from dataclasses import dataclass

import numpy as np

from harness.evaluation.sets import set_names, split_label
from harness.reporting.numbers import Value
from harness.reporting.results import Cell, Results

__all__ = ["ArmOnSets", "SetsTable", "sets_numbers", "sets_tables"]


@dataclass(frozen=True)
class ArmOnSets:
    """One arm's mean over seeds on its own test split and on each set; None where a run has no such number."""

    arm: str
    own: float | None
    scores: tuple[float | None, ...]
    seeds: int

    @property
    def mean(self) -> float | None:
        """The unweighted mean over the sets; None where one is missing."""
        known = [score for score in self.scores if score is not None]
        return float(np.mean(known)) if len(known) == len(self.scores) else None


@dataclass(frozen=True)
class SetsTable:
    """The arms that were trained on one dataset, in the order of the plan, on the test split of every set."""

    dataset: str
    metric: str
    sets: tuple[str, ...]
    rows: tuple[ArmOnSets, ...]


def sets_tables(results: Results) -> tuple[SetsTable, ...]:
    """Return a table for each dataset; none if the sweep evaluates on nothing else."""
    plan = results.plan
    names = tuple(set_names(plan.evaluate))
    if not names:
        return ()
    return tuple(
        SetsTable(
            dataset, plan.metric, names, tuple(_row(cell, plan.metric, len(names)) for cell in results.on(dataset))
        )
        for dataset in results.datasets
    )


def _row(cell: Cell, metric: str, sets: int) -> ArmOnSets:
    scores = tuple(_mean_on(cell, place, metric) for place in range(sets))
    return ArmOnSets(cell.arm.name, cell.mean_metric("test", metric), scores, len(cell.runs))


def _mean_on(cell: Cell, place: int, metric: str) -> float | None:
    """Return the mean over runs; each run names its sets itself, for a folder may have moved since."""
    found = [
        run.metrics.get(split_label("test", set_names(run.spec.evaluate)[place]), {}).get(metric)
        for run in cell.runs
        if place < len(run.spec.evaluate)
    ]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known and len(known) == len(cell.runs) else None


def sets_numbers(results: Results) -> list[dict[str, Value]]:
    """Return one row per dataset, arm and set."""
    return [
        {
            "dataset": table.dataset,
            "arm": row.arm,
            "set": name,
            "metric": table.metric,
            "mean": score,
            "seeds_done": row.seeds,
        }
        for table in sets_tables(results)
        for row in table.rows
        for name, score in zip(table.sets, row.scores, strict=True)
    ]
