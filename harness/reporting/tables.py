"""Compute the rows of a report's tables from results; numbers only, no text, no drawing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

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
from harness.reporting.judgement import Selection, selections
from harness.reporting.results import Cell, Results, read_results
from harness.reporting.styles import Styles, family_styles
from harness.reporting.together import together
from harness.spec import ArmSpec
from harness.stats import Interval, macro_intervals, mean_intervals

__all__ = ["Analysis", "ArmRow", "DatasetTable", "OverallRow", "analyse", "family_of"]

Item = TypeVar("Item")
FloatArray = npt.NDArray[np.float64]
_SHOWN = 4


@dataclass(frozen=True)
class ArmRow:
    """One arm on one dataset; None where a number does not exist.

    `yields` is the share of pairs to which the miner gave all negatives asked for,
    `backfilled` the number of negatives added by the shortage policy, both means over
    seeds like every other number. `steps` and `pairs` list each value that occurred.
    `searched` marks a point of a search that was not chosen on dev; `seconds` has the
    wall-clock time of a run by stage.
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
    seconds: dict[str, float]
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

    @cached_property
    def selections(self) -> tuple[Selection, ...]:
        """The best arm of each dataset, allowed for that the same queries chose it."""
        return selections(self.results)

    @property
    def shown(self) -> tuple[str, ...]:
        """The datasets that have tables and figures of their own; further ones are in the files beside the report."""
        return self.results.datasets[:_SHOWN]

    @cached_property
    def styles(self) -> Styles:
        """Colour and marker of each family, by its first appearance in the plan."""
        return family_styles([family_of(arm) for arm in self.results.plan.arms])

    @property
    def best(self) -> OverallRow | None:
        """The contender with the highest overall score."""
        rows = [row for row in self.overall if row.arm in self.contenders and row.score is not None]
        return rows[0] if rows else None


def analyse(folders: Path | Sequence[Path]) -> Analysis:
    """Read the results of one sweep, or of several together, and compute every table.

    Raises StorageError or DataError for results that cannot be trusted or combined.
    """
    results = read_results(folders) if isinstance(folders, Path) else together([read_results(each) for each in folders])
    versus = against_baseline(results)
    chosen = chosen_point(results)
    searched = tuple(search_points(results))
    barred = frozenset(searched) - {chosen}
    tables = tuple(_dataset_table(results, dataset, versus, barred) for dataset in results.datasets)
    overall = _by_score(_overall(results, tables), lambda row: row.score)
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
    cells = list(results.on(dataset))
    scores = _means({cell.arm.name: cell.scores for cell in cells if cell.runs})
    rows = []
    for cell in cells:
        name = cell.arm.name
        marks = _Marks(name == results.baseline, name == best, name in tied, name in barred)
        row = _arm_row(cell, marks, scores.get(name), versus.get((name, dataset)), results.plan.metric)
        rows.append(replace(row, dev=None) if results.behind_guard else row)
    queries = max((len(cell.queries) for cell in cells), default=0)
    return DatasetTable(dataset, queries, _by_score(rows, lambda row: row.score))


def _means(scores: dict[str, FloatArray]) -> dict[str, Interval]:
    """Return the mean of each arm's scores (queries, seeds), all over the same queries, with its interval."""
    if not scores:
        return {}
    columns = np.column_stack([each.mean(axis=1) for each in scores.values()])
    return dict(zip(scores, mean_intervals(columns, seed=SEED), strict=True))


@dataclass(frozen=True)
class _Marks:
    baseline: bool
    best: bool
    tied: bool
    searched: bool


def _arm_row(cell: Cell, marks: _Marks, score: Interval | None, versus: Versus | None, metric: str) -> ArmRow:
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
        score=score,
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
        seconds=_seconds(cell),
        seeds_done=len(cell.runs),
        seeds_planned=cell.planned,
    )


def _seconds(cell: Cell) -> dict[str, float]:
    """Return the mean wall-clock seconds of each stage over the cell's runs."""
    stages = sorted({stage for run in cell.runs for stage in run.timings})
    return {stage: float(np.mean([run.timings.get(stage, 0.0) for run in cell.runs])) for stage in stages}


def _mean(items: Iterable[Item], value: Callable[[Item], float | None]) -> float | None:
    """Return the mean of a value over the items that have it; None if none has."""
    known = [found for item in items if (found := value(item)) is not None]
    return float(np.mean(known)) if known else None


def _overall(results: Results, tables: tuple[DatasetTable, ...]) -> list[OverallRow]:
    """Return a row for each arm: over one dataset what its table says, over several the means."""
    names = [arm.name for arm in results.plan.arms]
    rows = {name: tuple(table.row(name) for table in tables) for name in names}
    if len(tables) == 1:
        known = {name: found[0] for name, found in rows.items()}
        return [
            OverallRow(name, None if row is None else row.score, None if row is None else row.difference, rows[name])
            for name, row in known.items()
        ]
    scores = _macro(results, {name: _scores(results, name) for name in names})
    differences = _macro(results, {name: _differences(results, name) for name in names})
    return [OverallRow(name, scores.get(name), differences.get(name), rows[name]) for name in names]


def _macro(results: Results, columns: dict[str, list[FloatArray]]) -> dict[str, Interval]:
    """Return the mean over datasets of each arm that has a column (queries,) on every one."""
    whole = {name: found for name, found in columns.items() if len(found) == len(results.datasets)}
    if not whole:
        return {}
    groups = [np.column_stack(on_one) for on_one in zip(*whole.values(), strict=True)]
    return dict(zip(whole, macro_intervals(groups, seed=SEED), strict=True))


def _scores(results: Results, arm: str) -> list[FloatArray]:
    cells = [results.cells.get((arm, dataset)) for dataset in results.datasets]
    return [cell.scores.mean(axis=1) for cell in cells if cell is not None and cell.runs]


def _differences(results: Results, arm: str) -> list[FloatArray]:
    found: list[FloatArray] = []
    for dataset in results.datasets if arm != results.baseline else ():
        cell, other = results.cells.get((arm, dataset)), results.cells.get((results.baseline or "", dataset))
        pair = paired(cell, other) if cell is not None and other is not None else None
        if pair is not None:
            found.append((pair[0] - pair[1]).mean(axis=1))
    return found
