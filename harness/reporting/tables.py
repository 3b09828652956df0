"""Compute the rows of a report's tables from results; numbers only, no text, no drawing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from harness.registry import MINERS
from harness.reporting.comparisons import (
    SEED,
    Versus,
    against_baseline,
    against_best,
    chosen_point,
    contenders,
    paired,
    search_points,
)
from harness.reporting.results import Cell, Results, read_results
from harness.spec import ArmSpec
from harness.stats import Interval, macro_interval, mean_interval

__all__ = ["Analysis", "ArmRow", "DatasetTable", "OverallRow", "analyse", "family_of"]

Item = TypeVar("Item")


@dataclass(frozen=True)
class ArmRow:
    """One arm on one dataset; None where a number does not exist.

    `yields` is the share of pairs to which the miner gave all negatives asked for,
    `backfilled` the number of negatives added by the shortage policy, both means over
    seeds like every other number. `steps` and `pairs` list each value that occurred.
    `searched` marks a point of a search that was not chosen on dev.
    """

    arm: str
    family: str
    trained: bool
    baseline: bool
    best: bool
    tied: bool
    searched: bool
    score: Interval | None
    versus: Versus | None
    mrr: float | None
    recall: float | None
    dev: float | None
    yields: float | None
    backfilled: float | None
    contamination: float | None
    hardness: float | None
    overlap: float | None
    auc: float | None
    steps: tuple[int, ...]
    pairs: tuple[int, ...]
    seeds_done: int
    seeds_planned: int

    @property
    def complete(self) -> bool:
        """Whether every planned seed finished."""
        return self.seeds_done == self.seeds_planned

    @property
    def difference(self) -> Interval | None:
        """The difference to the baseline."""
        return None if self.versus is None else self.versus.result.difference

    @property
    def p_adjusted(self) -> float | None:
        """The adjusted p of the difference to the baseline."""
        return None if self.versus is None else self.versus.p_adjusted


@dataclass(frozen=True)
class DatasetTable:
    """The ablation on one dataset, sorted by the test metric, best first."""

    dataset: str
    queries: int
    rows: tuple[ArmRow, ...]

    def row(self, arm: str) -> ArmRow | None:
        """Return the row of an arm."""
        return next((row for row in self.rows if row.arm == arm), None)


@dataclass(frozen=True)
class OverallRow:
    """One arm over all datasets: unweighted means, with queries resampled within each dataset.

    None where a dataset is missing. `rows` has one entry per dataset.
    """

    arm: str
    score: Interval | None
    difference: Interval | None
    rows: tuple[ArmRow | None, ...]


@dataclass(frozen=True)
class Analysis:
    """Everything that a report says, before it is put into words."""

    results: Results
    tables: tuple[DatasetTable, ...]
    overall: tuple[OverallRow, ...]
    contenders: tuple[str, ...]
    searched: tuple[str, ...]
    chosen: str | None

    @property
    def best(self) -> OverallRow | None:
        """The contender with the highest overall score."""
        rows = [row for row in self.overall if row.arm in self.contenders and row.score is not None]
        return rows[0] if rows else None


def analyse(folder: Path) -> Analysis:
    """Read a results folder and compute every table; raise StorageError or DataError if it cannot be trusted."""
    results = read_results(folder)
    versus = against_baseline(results)
    chosen = chosen_point(results)
    searched = tuple(search_points(results))
    barred = frozenset(searched) - {chosen}
    tables = tuple(_dataset_table(results, dataset, versus, barred) for dataset in results.datasets)
    overall = _by_score([_overall_row(results, arm.name, tables) for arm in results.plan.arms], lambda row: row.score)
    return Analysis(results, tables, overall, tuple(contenders(results)), searched, chosen)


def family_of(arm: ArmSpec) -> str:
    """Name the family of an arm's miner: the module that it is registered in."""
    if arm.mining is None:
        return "in-batch" if arm.training is not None else "untrained"
    name = arm.mining.miner.name
    return MINERS[name].factory.__module__.rpartition(".")[2] if name in MINERS else name


def _by_score(rows: Iterable[Item], score: Callable[[Item], Interval | None]) -> tuple[Item, ...]:
    """Sort by mean, highest first; rows without one last, otherwise in the order given."""

    def key(row: Item) -> float:
        interval = score(row)
        return float("inf") if interval is None else -interval.mean

    return tuple(sorted(rows, key=key))


def _dataset_table(
    results: Results, dataset: str, versus: dict[tuple[str, str], Versus], barred: frozenset[str | None]
) -> DatasetTable:
    best, tied = against_best(results, dataset)
    rows = []
    for cell in results.on(dataset):
        name = cell.arm.name
        marks = _Marks(name == results.baseline, name == best, name in tied, name in barred)
        row = _arm_row(cell, marks, versus.get((name, dataset)), results.plan.metric)
        rows.append(replace(row, dev=None) if results.behind_guard else row)
    queries = max((len(cell.queries) for cell in results.on(dataset)), default=0)
    return DatasetTable(dataset, queries, _by_score(rows, lambda row: row.score))


@dataclass(frozen=True)
class _Marks:
    baseline: bool
    best: bool
    tied: bool
    searched: bool


def _arm_row(cell: Cell, marks: _Marks, versus: Versus | None, metric: str) -> ArmRow:
    audits = [run.audit for run in cell.runs if run.audit is not None]
    yields = [run.yields for run in cell.runs if run.yields is not None]
    mined = yields if cell.arm.mining is not None else []
    return ArmRow(
        arm=cell.arm.name,
        family=family_of(cell.arm),
        trained=cell.trained,
        baseline=marks.baseline,
        best=marks.best,
        tied=marks.tied,
        searched=marks.searched,
        score=mean_interval(cell.scores, seed=SEED) if cell.runs else None,
        versus=versus,
        mrr=cell.mean_metric("test", "mrr_at_10"),
        recall=cell.mean_metric("test", "recall_at_100"),
        dev=cell.mean_metric("dev", metric),
        yields=_mean(mined, lambda item: item.full / item.pairs if item.pairs else None),
        backfilled=_mean(mined, lambda item: item.backfilled),
        contamination=_mean(audits, lambda item: item.contamination),
        hardness=_mean(audits, lambda item: item.hardness),
        overlap=_mean(audits, lambda item: item.overlap),
        auc=_mean(audits, lambda item: item.auc),
        steps=tuple(sorted({run.steps for run in cell.runs})) if cell.trained else (),
        pairs=tuple(sorted({run.pairs for run in cell.runs})) if cell.trained else (),
        seeds_done=len(cell.runs),
        seeds_planned=cell.planned,
    )


def _mean(items: Iterable[Item], value: Callable[[Item], float | None]) -> float | None:
    """Return the mean of a value over the items that have it; None if none has."""
    known = [found for item in items if (found := value(item)) is not None]
    return float(np.mean(known)) if known else None


def _overall_row(results: Results, arm: str, tables: tuple[DatasetTable, ...]) -> OverallRow:
    rows = tuple(table.row(arm) for table in tables)
    if len(rows) == 1 and rows[0] is not None:
        return OverallRow(arm, rows[0].score, rows[0].difference, rows)
    cells = [results.cells.get((arm, dataset)) for dataset in results.datasets]
    done = [cell for cell in cells if cell is not None and cell.runs]
    if len(done) < len(results.datasets):
        return OverallRow(arm, None, None, rows)
    return OverallRow(
        arm, macro_interval([cell.scores for cell in done], seed=SEED), _overall_difference(results, arm, done), rows
    )


def _overall_difference(results: Results, arm: str, cells: list[Cell]) -> Interval | None:
    if results.baseline is None or arm == results.baseline:
        return None
    pairs = []
    for cell in cells:
        other = results.cells.get((results.baseline, cell.dataset))
        pair = paired(cell, other) if other is not None else None
        if pair is None:
            return None
        pairs.append(pair)
    return macro_interval([mine for mine, _ in pairs], paired_with=[theirs for _, theirs in pairs], seed=SEED)
