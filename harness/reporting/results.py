"""Read a results folder into arms, their runs and their per-query scores; checks, no statistics."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.errors import DataError, StorageError
from harness.guarding import answers_of
from harness.record import RunRecord, read_per_query, read_record
from harness.spec import ArmSpec, PlannedRun, SweepPlan
from harness.sweep_files import read_sweep

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cell", "Incident", "Results", "check_queries", "read_results"]

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Incident:
    """A planned run that left no numbers, and why; `seconds` of work were spent on it in `tries`."""

    arm: str
    dataset: str
    seed: int
    fingerprint: str
    kind: str
    message: str
    seconds: float = 0.0
    tries: int = 0


@dataclass(frozen=True)
class Cell:
    """One arm on one dataset: the finished runs, in the order of `seeds`.

    `scores` holds the sweep's metric on the test split. Shape (queries, finished seeds),
    queries in the order of `queries`.
    """

    arm: ArmSpec
    dataset: str
    planned: int
    seeds: tuple[int, ...]
    runs: tuple[RunRecord, ...]
    queries: tuple[str, ...]
    scores: npt.NDArray[np.float64]

    @property
    def trained(self) -> bool:
        """Whether the arm trains its base."""
        return self.arm.training is not None

    def mean_metric(self, split: str, metric: str) -> float | None:
        """Return the mean over seeds of a metric as recorded; None if any run lacks it."""
        values = [run.metrics.get(split, {}).get(metric) for run in self.runs]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known and len(known) == len(values) else None


@dataclass(frozen=True)
class Results:
    """Everything that a report is made from.

    `homes` has the results folder of each run, by fingerprint; `remarks` say what a
    reader of several sweeps together must know.
    """

    plan: SweepPlan
    cells: dict[tuple[str, str], Cell]
    incidents: tuple[Incident, ...]
    homes: dict[str, Path]
    remarks: tuple[str, ...] = ()
    guarded: dict[str, float] = field(default_factory=dict)
    """What the guard of a search says of its points on dev."""

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """Dataset names in the order of the plan's runs."""
        return tuple(dict.fromkeys(run.dataset for run in self.plan.runs))

    @cached_property
    def baseline(self) -> str | None:
        """The arm that the planned comparisons are made with."""
        return self.plan.comparisons[0].baseline if self.plan.comparisons else None

    @property
    def behind_guard(self) -> bool:
        """Whether part of the dev queries answers through a guard, so that no dev mean may be shown."""
        return self.plan.search is not None and self.plan.search.guard is not None

    def on(self, dataset: str) -> Iterator[Cell]:
        """Yield the cells of one dataset in the order of the plan's arms."""
        for arm in self.plan.arms:
            if (arm.name, dataset) in self.cells:
                yield self.cells[arm.name, dataset]

    def home(self, fingerprint: str) -> Path:
        """Return the results folder that a run is in."""
        return self.homes[fingerprint]

    def folder(self, run: RunRecord) -> Path:
        """Return the folder of a run."""
        return self.home(run.fingerprint) / "runs" / run.fingerprint

    def finished(self) -> Iterator[tuple[Cell, RunRecord]]:
        """Yield every finished run with its cell."""
        for cell in self.cells.values():
            for run in cell.runs:
                yield cell, run


def read_results(results: Path) -> Results:
    """Read one sweep's plan, records and per-query metrics.

    Raises StorageError for a missing or malformed file or a record at odds with its
    per-query metrics, DataError for runs of one dataset evaluated on different queries.
    """
    plan = read_sweep(results)
    arms = {arm.name: arm for arm in plan.arms}
    incidents: list[Incident] = []
    finished: dict[tuple[str, str], list[tuple[int, RunRecord, pd.Series]]] = {}
    planned: dict[tuple[str, str], int] = {}
    for run in plan.runs:
        if run.arm not in arms:
            message = f"{results / 'plan.json'}: run {run.fingerprint} belongs to no arm of the plan ('{run.arm}')"
            raise StorageError(message)
        key = (run.arm, run.dataset)
        planned[key] = planned.get(key, 0) + 1
        finished.setdefault(key, [])
        folder = results / "runs" / run.fingerprint
        record = read_record(folder) if (folder / "record.json").exists() else None
        if record is not None and record.status == "finished":
            finished[key].append((run.seed, record, _test_scores(folder, record, plan.metric)))
        else:
            incidents.append(_incident(run, record))
    cells = {key: _cell(arms[key[0]], key[1], planned[key], found) for key, found in finished.items()}
    check_queries(cells)
    homes = {run.fingerprint: results for run in plan.runs}
    return Results(plan, cells, tuple(incidents), homes, guarded=answers_of(results, plan))


def _incident(run: PlannedRun, record: RunRecord | None) -> Incident:
    where = (run.arm, run.dataset, run.seed, run.fingerprint)
    if record is None:
        return Incident(*where, "missing", "planned, but there is no record of it")
    seconds = sum(record.timings.values()) + sum(attempt.seconds for attempt in record.earlier)
    tries = 1 + len(record.earlier)
    if record.failure is None:
        return Incident(*where, "failed", "no reason was recorded", seconds, tries)
    return Incident(*where, record.failure.kind, record.failure.message, seconds, tries)


def _test_scores(folder: Path, record: RunRecord, metric: str) -> "pd.Series":
    """Return the metric per test query, indexed and sorted by query id."""
    frame = read_per_query(folder)
    if metric not in frame:
        message = f"{folder} was recorded before {metric} was kept: delete that folder and carry out the sweep again"
        raise StorageError(message)
    scores = frame[frame["split"] == "test"].set_index("query_id")[metric].astype("float64").sort_index()
    recorded = record.metrics.get("test", {}).get(metric)
    if recorded is None or scores.empty:
        message = f"{folder} holds no {metric} on the test split"
        raise StorageError(message)
    if not scores.index.is_unique:
        message = f"{folder / 'per_query.parquet'} lists a test query more than once"
        raise StorageError(message)
    if not abs(float(scores.mean()) - recorded) <= _ROUNDING:
        message = f"{folder}: record.json says test {metric} {recorded!r}, per_query.parquet {float(scores.mean())!r}"
        raise StorageError(message)
    return scores


def _cell(arm: ArmSpec, dataset: str, planned: int, found: "list[tuple[int, RunRecord, pd.Series]]") -> Cell:
    queries = tuple(str(query) for query in found[0][2].index) if found else ()
    for seed, run, scores in found:
        if tuple(str(query) for query in scores.index) != queries:
            message = f"arm '{arm.name}' on {dataset}: seed {seed} (run {run.fingerprint}) has other test queries"
            raise DataError(message)
    return Cell(
        arm=arm,
        dataset=dataset,
        planned=planned,
        seeds=tuple(seed for seed, _, _ in found),
        runs=tuple(run for _, run, _ in found),
        queries=queries,
        scores=np.column_stack([scores.to_numpy() for _, _, scores in found]) if found else np.empty((0, 0)),
    )


def check_queries(cells: dict[tuple[str, str], Cell]) -> None:
    """Refuse to compare arms of one dataset that were evaluated on different queries."""
    reference: dict[str, Cell] = {}
    for cell in cells.values():
        if not cell.runs:
            continue
        first = reference.setdefault(cell.dataset, cell)
        if cell.queries != first.queries:
            differing = len(set(cell.queries) ^ set(first.queries))
            message = (
                f"arms '{first.arm.name}' and '{cell.arm.name}' were evaluated on different test queries of "
                f"{cell.dataset}: {differing} belong to one of them only; run it again on one version of the data"
            )
            raise DataError(message)
