"""Carry out a sweep: plan, prepare, run what is missing, search."""

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from harness.damaged import set_damaged_points_aside, set_damaged_runs_aside
from harness.errors import ConfigError, NumericError, WinnowError, storage_error
from harness.executors.base import Executor, Job, WorkerDiedError
from harness.executors.local import LocalExecutor
from harness.executors.place import Place, device_groups
from harness.executors.ray_cluster import RayExecutor
from harness.failures import may_pass
from harness.fingerprint import canonical
from harness.jobs import LEASES, Ended, Preparation, RunJob
from harness.leases import LeaseLostError, take
from harness.ledger import Ledger
from harness.pipeline import freezes_documents, looked_at
from harness.plan import keep, make_plan
from harness.query_files import JudgementsJob, TextsJob
from harness.query_table import QueriesJob, queries_folder
from harness.record import Failure, RunRecord, failed_before, read_record, write_record
from harness.remote.sharing import Sharing, sharing
from harness.remote.storage import Remote
from harness.search.searching import Searching
from harness.spec import PlannedRun, RunSpec, SearchSpec, SweepPlan, SweepSpec
from harness.store import writable
from harness.study_file import Trial
from harness.sweep_files import Point, SearchEnd

__all__ = ["Listener", "Outcome", "Settings", "carry_out", "carry_out_runs"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """Where a sweep lives and what it may use: results and store are roots, shared by sweeps.

    Every `checkpoint_minutes` a training that is under way is kept, to go on from if it is cut off.
    A run that fails of what may pass is tried again, up to `retries` times. With `remote`,
    results and store are shared with other machines there.
    """

    results: Path
    store: Path
    workers: int
    checkpoint_minutes: float = 5.0
    retries: int = 1
    place: Place = field(default_factory=Place)
    remote: Remote | None = None


class Listener:
    """Hears how a sweep goes; by default it does nothing."""

    def planned(self, plan: SweepPlan, total: int) -> None:
        """Hear what is planned and how many runs that makes, searched points included."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """Hear how far a preparation is."""

    def started(self, run: PlannedRun) -> None:
        """Hear that a run is begun, or begun again."""

    def ended(self, run: PlannedRun, record: RunRecord, *, before: bool) -> None:
        """Hear that a run has finished or failed, now or `before` this call."""

    def tried(self, number: int, trial: Trial) -> None:
        """Hear that the point of a search with this number has ended, and what the search was told of it."""


@dataclass(frozen=True)
class Outcome:
    """What a sweep left: its folder, its plan, how many runs failed, and why its search ended early if it did.

    `unsent` counts what could not be put on object storage.
    """

    folder: Path
    plan: SweepPlan
    failed: int
    search_end: SearchEnd | None = None
    unsent: int = 0


_Runs = list[tuple[PlannedRun, RunSpec]]


def carry_out(
    spec: SweepSpec, settings: Settings, listener: Listener, points: Sequence[Point] | None = None
) -> Outcome:
    """Bring a sweep to its end; what is finished already is not run again.

    With `points` its search carries out these and asks for none. Raises ConfigError if the
    sweep is being carried out elsewhere or the points are not of its search, DataError or
    ModelError if its data or models cannot be had, StorageError if nothing can be kept.
    """
    folder = settings.results / spec.name
    writable(folder)
    writable(settings.store)
    with _shared(folder, settings) as shared, ExitStack() as stack:
        plan = make_plan(spec)
        _require_shareable(plan.specs, settings.place)
        kept = keep(plan, folder)
        shared.planned()
        under_way = _UnderWay(spec, folder, settings, listener, stack, shared)
        every = list(zip(plan.sweep.runs, plan.specs, strict=True))
        searched = spec.search.trials * len(spec.seeds) * len(spec.datasets) if spec.search else 0
        listener.planned(kept, len(every) + searched)
        failed, end = under_way.run(every), None
        if spec.search is not None:
            more, end = under_way.search(spec.search, points)
            failed += more
        under_way.mend_tables()
        under_way.keep_texts()
        unsent = shared.finish()
    return Outcome(folder, kept, failed, end, unsent)


def carry_out_runs(spec: SweepSpec, runs: _Runs, settings: Settings, listener: Listener) -> Outcome:
    """Carry out some runs of a sweep, and no search; what is finished already is not run again.

    Raises what `carry_out` raises.
    """
    folder = settings.results / spec.name
    writable(folder)
    writable(settings.store)
    with _shared(folder, settings) as shared, ExitStack() as stack:
        _require_shareable([each for _, each in runs], settings.place)
        kept = keep(make_plan(spec), folder)
        shared.planned()
        listener.planned(kept, len(runs))
        failed = _UnderWay(spec, folder, settings, listener, stack, shared).run(runs)
        unsent = shared.finish()
    return Outcome(folder, kept, failed, unsent=unsent)


class _UnderWay:
    """A sweep being carried out; workers start when there is something to run."""

    def __init__(  # noqa: PLR0913, PLR0917  # what a sweep is made of
        self,
        spec: SweepSpec,
        folder: Path,
        settings: Settings,
        listener: Listener,
        stack: ExitStack,
        shared: Sharing | None = None,
    ) -> None:
        self._spec = spec
        self._shared = shared or Sharing()
        self._folder = folder.resolve() if settings.place.executor == "ray" else folder
        self._settings = settings
        self._listener = listener
        self._stack = stack
        self._executor: Executor | None = None
        self._ledger = Ledger(folder)
        self._prepared: set[str] = set()
        self._finished: dict[str, tuple[RunSpec, set[str]]] = {}
        """By a dataset's identity: the first run on it that has finished, and all of them."""

    def run(self, runs: _Runs) -> int:
        """Carry out the runs that are not finished; tell the listener of all; return how many failed."""
        failed = 0
        missing: _Runs = []
        for run, spec in runs:
            if self._ledger.finished(run.fingerprint):
                self._ended(run, self._ledger.record(run.fingerprint), before=True)
            else:
                missing.append((run, spec))
        for run, record in self._tried(missing):
            failed += record.status == "failed"
            self._ended(run, record, before=False)
        return failed

    def _tried(self, runs: _Runs) -> Iterator[tuple[PlannedRun, RunRecord]]:
        """Carry runs out, those again that failed of what may pass, and yield every one with its last record."""
        for left in range(self._settings.retries, -1, -1):
            again: set[str] = set()
            for run, record in self._carried_out(runs):
                if left and record.failure is not None and may_pass(record.failure.kind):
                    _log.warning("%s, seed %d, is tried again: %s", run.arm, run.seed, record.failure.message)
                    again.add(run.fingerprint)
                else:
                    yield run, record
            runs = [(run, spec) for run, spec in runs if run.fingerprint in again]

    def _ended(self, run: PlannedRun, record: RunRecord, *, before: bool) -> None:
        if record.status == "finished":
            _, runs = self._finished.setdefault(record.spec.identities["dataset"], (record.spec, set()))
            runs.add(record.fingerprint)
        self._listener.ended(run, record, before=before)

    def mend_tables(self) -> None:
        """Keep what is known of the queries of finished runs anew where it was damaged; results without it stay so."""
        specs = [spec for spec, _ in self._finished.values() if self._has_tables(spec)]
        jobs = [job for job in self._tables(specs, os.cpu_count() or 1).values() if not job.done]
        if jobs:
            self._do(self._started(), jobs)

    def _has_tables(self, spec: RunSpec) -> bool:
        return queries_folder(self._folder, spec.identities["dataset"]).exists()

    def keep_texts(self) -> None:
        """Keep the texts of what the finished runs rank first; runs that were recorded without rankings have none."""
        threads = os.cpu_count() or 1
        ranked = {path.parent.name for path in (self._folder / "runs").glob("[!.]*/rankings.parquet")}
        every = [
            TextsJob(spec.dataset, identity, tuple(sorted(runs & ranked)), self._folder, threads)
            for identity, (spec, runs) in self._finished.items()
        ]
        jobs = [job for job in every if job.ranked and not job.done]
        if jobs:
            self._do(self._started(), jobs)

    def _do(self, executor: Executor, jobs: Sequence[Job]) -> None:
        """Carry jobs out, those again that failed of what may pass; raise what stops a sweep."""
        for left in range(self._settings.retries, -1, -1):
            again = []
            for job, outcome in executor.carry_out(jobs, self._listener.preparing):
                if left and may_pass(type(outcome).__name__):
                    again.append(job)
                elif isinstance(outcome, WinnowError) and not isinstance(outcome, NumericError):
                    raise outcome
            jobs = again

    def search(self, spec: SearchSpec, points: Sequence[Point] | None) -> tuple[int, SearchEnd | None]:
        """Carry out a search, or the `points` of one; return how many runs failed and why it ended early, if it did."""
        set_damaged_points_aside(self._folder)
        searching = Searching(self._spec, spec, self._folder, self.run, points)
        end = searching.carry_out(self._listener.tried)
        return searching.failed, end

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

        def begun(job: RunJob) -> None:
            for run in sharing[job.spec.fingerprint]:
                self._listener.started(run)

        for job, outcome in executor.carry_out(jobs, self._listener.preparing, begun):
            record = self._recorded(job.spec, outcome)
            for run in sharing[job.spec.fingerprint]:
                yield run, record

    def _recorded(self, spec: RunSpec, outcome: object) -> RunRecord:
        """Enter the record that a run has left into the ledger; write one for an attempt that was lost."""
        if isinstance(outcome, WorkerDiedError | LeaseLostError):
            token = self._record_lost(spec, outcome)
        elif isinstance(outcome, WinnowError):
            raise outcome
        else:
            token = outcome.token if isinstance(outcome, Ended) else 0
        record = self._ledger.add(spec.fingerprint, token)
        self._shared.run_ended(spec.fingerprint)
        return record

    def _record_lost(self, spec: RunSpec, lost: WorkerDiedError | LeaseLostError) -> int:
        """Record an attempt as failed whose worker died, or lost its lease to a late one; return the lease's token.

        Should either not be quite dead, it comes too late from now on. One that had
        finished before keeps its record; its token is not known, and 0 is returned.
        """
        runs = self._folder / "runs"
        for draft in runs.glob(f".{spec.fingerprint}-*"):
            shutil.rmtree(draft, ignore_errors=True)  # what it was writing when it died
        lease = take(self._folder / LEASES, spec.fingerprint)
        seconds = lost.seconds if isinstance(lost, WorkerDiedError) else 0.0
        record = RunRecord(
            status="failed",
            fingerprint=spec.fingerprint,
            spec=spec,
            timings={"until the worker died": seconds} if seconds else {},
            failure=Failure(kind=type(lost).__name__, message=str(lost)),
            earlier=failed_before(runs, spec.fingerprint),
        )
        write_record(runs, record, None, fence=lease.fence)
        if read_record(runs / spec.fingerprint).status == "failed":
            return lease.token
        lease.release()
        return 0

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
            return RayExecutor(settings.workers, settings.store, settings.place, settings.remote)
        place = settings.place
        return LocalExecutor(
            settings.workers,
            settings.store,
            logs,
            limits=place.limits,
            devices=device_groups(place.processes),
            processes=place.processes,
            remote=settings.remote,
        )

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
        tables: dict[str, Job] = {**self._tables(specs, threads)}
        for jobs in (collections, tables, pools):
            new = [job for key, job in jobs.items() if key not in self._prepared]
            self._do(executor, new)
            self._prepared |= set(jobs)

    def _tables(self, specs: list[RunSpec], threads: int) -> dict[str, QueriesJob | JudgementsJob]:
        """Have what a report says of a dataset's queries computed once, beside the runs."""
        tables: dict[str, QueriesJob | JudgementsJob] = {}
        for spec in specs:
            queries = QueriesJob(spec.dataset, spec.identities["dataset"], self._folder, threads)
            tables.setdefault(canonical(["queries", spec.dataset]), queries)
            tables.setdefault(canonical(["judgements", spec.dataset]), JudgementsJob(spec, self._folder, threads))
        return tables


def _require_shareable(specs: Sequence[RunSpec], place: Place) -> None:
    """Raise ConfigError if several processes are to train an arm that only one can."""
    if place.processes == 1:
        return
    arms = dict.fromkeys(spec.arm.name for spec in specs if freezes_documents(spec.arm))
    mistakes = [
        f"arm {name}: its training.refresh searches in every step, which one process does alone;"
        f" leave --processes-per-run {place.processes} out"
        for name in arms
    ]
    if mistakes:
        raise ConfigError("\n".join(mistakes))


@contextmanager
def _shared(folder: Path, settings: Settings) -> Iterator[Sharing]:
    """Be alone with a sweep, on this machine and among those that share it; what is damaged here does not count."""
    with _alone(folder):
        set_damaged_runs_aside(folder)
        with sharing(settings.remote, settings.store, folder) as shared:
            yield shared


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the sweep's lock; raise ConfigError if another process has it, StorageError if there can be none."""
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        message = f"another process is carrying out the sweep in {folder}"
        raise ConfigError(message) from error
    except OSError as error:
        raise storage_error(error, folder / ".lock") from error
    with lock:
        lock.release()  # held once, by the block
        yield
