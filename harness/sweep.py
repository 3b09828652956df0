"""Carry out a sweep: plan, prepare, run what is missing, search."""

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import ConfigError, NumericError, StorageError, WinnowError
from harness.executors.base import Executor, Job, WorkerDiedError
from harness.executors.local import LocalExecutor
from harness.executors.place import Place, devices
from harness.executors.ray_cluster import RayExecutor
from harness.fingerprint import canonical
from harness.guarding import GuardedDev
from harness.leases import take
from harness.ledger import Ledger
from harness.pipeline import LEASES, Ended, Preparation, RunJob, looked_at
from harness.plan import expand, keep, make_plan
from harness.query_files import JudgementsJob, TextsJob
from harness.query_table import QueriesJob
from harness.record import Failure, Point, RunRecord, failed_before, read_record, write_points, write_record
from harness.search import Search
from harness.spec import Component, PlannedRun, RunSpec, SearchSpec, SweepPlan, SweepSpec
from harness.store import writable

__all__ = ["Listener", "Outcome", "Settings", "carry_out", "carry_out_runs", "record_of"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """Where a sweep lives and what it may use: results and store are roots, shared by sweeps.

    Every `checkpoint_minutes` a training that is under way is kept, to go on from if it is cut off.
    """

    results: Path
    store: Path
    workers: int
    checkpoint_minutes: float = 5.0
    place: Place = field(default_factory=Place)


class Listener:
    """Hears how a sweep goes; by default it does nothing."""

    def planned(self, plan: SweepPlan, total: int) -> None:
        """Hear what is planned and how many runs that makes, searched points included."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """Hear how far a preparation is."""

    def ended(self, run: PlannedRun, record: RunRecord, *, before: bool) -> None:
        """Hear that a run has finished or failed, now or `before` this call."""


@dataclass(frozen=True)
class Outcome:
    """What a sweep left: its folder, its plan, and how many runs failed."""

    folder: Path
    plan: SweepPlan
    failed: int


_Runs = list[tuple[PlannedRun, RunSpec]]


def carry_out(spec: SweepSpec, settings: Settings, listener: Listener) -> Outcome:
    """Bring a sweep to its end; what is finished already is not run again.

    Raises ConfigError if the sweep is being carried out elsewhere, DataError or
    ModelError if its data or models cannot be had, StorageError if nothing can be kept.
    """
    folder = settings.results / spec.name
    writable(folder)
    writable(settings.store)
    with _alone(folder), ExitStack() as stack:
        plan = make_plan(spec)
        kept = keep(plan, folder)
        under_way = _UnderWay(spec, folder, settings, listener, stack)
        every = list(zip(plan.sweep.runs, plan.specs, strict=True))
        searched = spec.search.trials * len(spec.seeds) * len(spec.datasets) if spec.search else 0
        listener.planned(kept, len(every) + searched)
        failed = under_way.run(every)
        if spec.search is not None:
            failed += under_way.search(spec.search)
        under_way.keep_texts()
    return Outcome(folder, kept, failed)


def carry_out_runs(spec: SweepSpec, runs: _Runs, settings: Settings, listener: Listener) -> Outcome:
    """Carry out some runs of a sweep, and no search; what is finished already is not run again.

    Raises what `carry_out` raises.
    """
    folder = settings.results / spec.name
    writable(folder)
    writable(settings.store)
    with _alone(folder), ExitStack() as stack:
        kept = keep(make_plan(spec), folder)
        listener.planned(kept, len(runs))
        failed = _UnderWay(spec, folder, settings, listener, stack).run(runs)
    return Outcome(folder, kept, failed)


class _UnderWay:
    """A sweep being carried out; workers start when there is something to run."""

    def __init__(self, spec: SweepSpec, folder: Path, settings: Settings, listener: Listener, stack: ExitStack) -> None:
        self._spec = spec
        self._folder = folder.resolve() if settings.place.executor == "ray" else folder
        self._settings = settings
        self._listener = listener
        self._stack = stack
        self._executor: Executor | None = None
        self._ledger = Ledger(folder)
        self._prepared: set[str] = set()
        self._finished: dict[str, tuple[Component, set[str]]] = {}
        """By a dataset's identity: the dataset, and the runs on it that have finished."""

    def run(self, runs: _Runs) -> int:
        """Carry out the runs that are not finished; tell the listener of all; return how many failed."""
        failed = 0
        missing: _Runs = []
        for run, spec in runs:
            if self._ledger.finished(run.fingerprint):
                self._ended(run, self._ledger.record(run.fingerprint), before=True)
            else:
                missing.append((run, spec))
        for run, record in self._carried_out(missing):
            failed += record.status == "failed"
            self._ended(run, record, before=False)
        return failed

    def _ended(self, run: PlannedRun, record: RunRecord, *, before: bool) -> None:
        if record.status == "finished":
            _, runs = self._finished.setdefault(record.spec.identities["dataset"], (record.spec.dataset, set()))
            runs.add(record.fingerprint)
        self._listener.ended(run, record, before=before)

    def keep_texts(self) -> None:
        """Keep the texts of what the finished runs rank first; runs that were recorded without rankings have none."""
        threads = os.cpu_count() or 1
        every = [
            TextsJob(dataset, identity, tuple(filter(self._is_ranked, sorted(runs))), self._folder, threads)
            for identity, (dataset, runs) in self._finished.items()
        ]
        jobs = [job for job in every if job.ranked and not job.done]
        if jobs:
            self._do(self._started(), jobs)

    def _is_ranked(self, fingerprint: str) -> bool:
        return (self._folder / "runs" / fingerprint / "rankings.parquet").exists()

    def _do(self, executor: Executor, jobs: Sequence[Job]) -> None:
        """Carry jobs out; raise what stops a sweep."""
        for _, outcome in executor.carry_out(jobs, self._listener.preparing):
            if isinstance(outcome, WinnowError) and not isinstance(outcome, NumericError):
                raise outcome

    def search(self, spec: SearchSpec) -> int:
        """Ask for one point after another; the objective is the dev mean over datasets and seeds.

        With a guard it is what that says of it; once its budget is used up no further point is tried.
        """
        template = next(arm for arm in self._spec.arms if arm.name == spec.arm)
        search = Search(spec, template)
        guard = GuardedDev(self._folder, spec, self._spec.metric) if spec.guard is not None else None
        points: list[Point] = []
        failed = 0
        for _ in range(spec.trials):
            number, values, arm = search.ask()
            runs = expand([arm], self._spec)
            if guard is not None and not guard.can_answer(run for run, _ in runs):
                _log.warning(
                    "the search ends after %d of %d points: its guard's budget is used up", number, spec.trials
                )
                break
            points.append(Point(number=number, values=values, arm=arm, runs=tuple(run for run, _ in runs)))
            write_points(self._folder, points)
            failed += self.run(runs)
            search.tell(number, self._objective([run for run, _ in runs], guard))
        return failed

    def _objective(self, runs: Sequence[PlannedRun], guard: GuardedDev | None) -> float | None:
        """Return the mean dev metric of some runs, or what the guard says; None unless all of them have finished."""
        records = [record_of(self._folder, run) for run in runs]
        values = [
            _on_dev(record, self._spec.metric)
            for record in records
            if record is not None and record.status == "finished"
        ]
        if len(values) < len(records):
            return None
        return sum(values) / len(values) if guard is None else guard.answer(runs)

    def _carried_out(self, runs: _Runs) -> Iterator[tuple[PlannedRun, RunRecord]]:
        """Carry runs out, each distinct one once, and yield every one with its record."""
        if not runs:
            return
        executor = self._started()
        sharing: dict[str, list[PlannedRun]] = {}
        for run, spec in runs:
            sharing.setdefault(spec.fingerprint, []).append(run)
        specs = list({spec.fingerprint: spec for _, spec in runs}.values())
        self._prepare(executor, specs)
        minutes = self._settings.checkpoint_minutes
        jobs = [RunJob(spec, self._folder / "runs", checkpoint_minutes=minutes) for spec in specs]
        for job, outcome in executor.carry_out(jobs, self._listener.preparing):
            record = self._recorded(job.spec, outcome)
            for run in sharing[job.spec.fingerprint]:
                yield run, record

    def _recorded(self, spec: RunSpec, outcome: object) -> RunRecord:
        """Enter the record that a run has left into the ledger; write one for a worker that died before it could."""
        token = outcome.token if isinstance(outcome, Ended) else 0
        if isinstance(outcome, WorkerDiedError):
            lease = take(self._folder / LEASES, spec.fingerprint)  # should it not be quite dead, it comes too late
            token = lease.token
            record = RunRecord(
                status="failed",
                fingerprint=spec.fingerprint,
                spec=spec,
                timings={"until the worker died": outcome.seconds},
                failure=Failure(kind=type(outcome).__name__, message=str(outcome)),
                earlier=failed_before(self._folder / "runs", spec.fingerprint),
            )
            write_record(self._folder / "runs", record, None, fence=lease.fence)
        elif isinstance(outcome, WinnowError):
            raise outcome
        return self._ledger.add(spec.fingerprint, token)

    def _started(self) -> Executor:
        if self._executor is None:
            for draft in (self._folder / "runs").glob(".*"):
                shutil.rmtree(draft, ignore_errors=True)  # left by a run that was killed while writing
            self._listener.preparing("starting workers", 0, self._settings.workers)
            self._executor = self._stack.enter_context(self._chosen())
        return self._executor

    def _chosen(self) -> Executor:
        settings, logs = self._settings, self._folder / "logs"
        if settings.place.executor == "ray":
            return RayExecutor(settings.workers, settings.store, settings.place)
        return LocalExecutor(settings.workers, settings.store, logs, limits=settings.place.limits, devices=devices())

    def _prepare(self, executor: Executor, specs: list[RunSpec]) -> None:
        """Have collections, then pools, computed once, before the runs that share them.

        A teacher whose scores are not finite does not stop the sweep here: the runs that
        need it fail, each with a record.
        """
        threads = os.cpu_count() or 1
        collections: dict[str, Job] = {
            canonical([dataset, splits]): Preparation(dataset, None, threads, splits)
            for spec in specs
            for dataset, splits in ((spec.dataset, looked_at(spec.arm)), *((further, ()) for further in spec.evaluate))
        }
        pools: dict[str, Job] = {
            canonical([spec.dataset, mining.teacher, mining.depth, mining.mix, mining.confirm]): Preparation(
                spec.dataset, mining, threads
            )
            for spec in specs
            for mining in (*spec.equal_with, *([spec.arm.mining] if spec.arm.mining else []))
        }
        for jobs in (collections, self._tables(specs, threads), pools):
            new = [job for key, job in jobs.items() if key not in self._prepared]
            self._do(executor, new)
            self._prepared |= set(jobs)

    def _tables(self, specs: list[RunSpec], threads: int) -> dict[str, Job]:
        """Have what a report says of a dataset's queries computed once, beside the runs."""
        tables: dict[str, Job] = {}
        for spec in specs:
            queries = QueriesJob(spec.dataset, spec.identities["dataset"], self._folder, threads)
            tables.setdefault(canonical(["queries", spec.dataset]), queries)
            tables.setdefault(canonical(["judgements", spec.dataset]), JudgementsJob(spec, self._folder, threads))
        return tables


def _on_dev(record: RunRecord, metric: str) -> float:
    """Return a metric's dev mean; raise StorageError for a record that was written before it was kept."""
    if metric not in record.metrics["dev"]:
        message = f"run {record.fingerprint} was recorded before {metric} was kept: delete its folder and start again"
        raise StorageError(message)
    return record.metrics["dev"][metric]


def record_of(folder: Path, run: PlannedRun) -> RunRecord | None:
    """Return the record of a run, None if there is none yet."""
    path = folder / "runs" / run.fingerprint
    return read_record(path) if (path / "record.json").exists() else None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the sweep's lock; raise ConfigError if another process has it."""
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        message = f"another process is carrying out the sweep in {folder}"
        raise ConfigError(message) from error
