"""Mirrors sweeps: one experiment per sweep; in it the sweep, its arms, and their seeds, nested.

Whatever MLflow raises passes through: a mirror that failed is thrown away, and a new
one finds out from the store what got there.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import StorageError, WinnowError
from harness.fingerprint import digest
from harness.record import RunRecord, read_record
from harness.redaction import redacted_text
from harness.spec import PlannedRun, SweepPlan
from harness.sweep_files import read_sweep
from harness.tracking.destination import Destination
from harness.tracking.entries import (
    HASH_LENGTH,
    arm_params,
    arms_view,
    group_metrics,
    histories,
    place_tags,
    record_json,
    run_metrics,
    run_tags,
    sweep_note,
)
from harness.tracking.store import Batch, DatasetUsed, Status, Store, StoredRun

__all__ = ["Figure", "Mirror", "Summary", "one_line", "rebuild", "result_of"]

Figure = Callable[[RunRecord], bytes | None]
"""Draws the score distributions of a run as PNG; None where there is nothing to draw."""

Key = tuple[str, ...]
"""Where a run stands in its sweep: (arm, dataset, seed); of a group (arm, dataset); of the sweep itself ()."""


@dataclass(frozen=True)
class Summary:
    """What a finished sweep says: its answer in a sentence, its table, and the files of its report."""

    answer: str = ""
    table_markdown: str = ""
    files: tuple[Path, ...] = ()

    @classmethod
    def of(cls, answer: str, files: Iterable[Path]) -> Self:
        """Return the summary of a report's files, of those that are still there; its table is the first in Markdown."""
        there = tuple(file for file in files if file.is_file())
        table = next((file.read_text(encoding="utf-8") for file in there if file.suffix == ".md"), "")
        return cls(answer, table, there)


@dataclass
class _Group:
    """The run of one arm on one dataset, and the seeds that it will sum up."""

    id: str
    summarised: str = ""
    ended: float = 0.0
    finished: dict[str, dict[str, float]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def add(self, seed: str, record: RunRecord, ended: float) -> None:
        """Count one seed in."""
        self.ended = max(self.ended, ended)
        self.failed.discard(seed)
        if record.status == "finished":
            self.finished[seed] = run_metrics(record)
        else:
            self.failed.add(seed)


@dataclass
class _Sweep:
    """The sweep that is open, and what the store already has of it."""

    plan: SweepPlan
    experiment: str
    id: str
    known: dict[Key, StoredRun]
    groups: dict[Key, _Group] = field(default_factory=dict)
    under_way: set[str] = field(default_factory=set)


class Mirror:
    """Mirror of sweeps at a destination.

    Call `open_sweep`, then `add_run` for every record of the plan, old or new, then
    `close_sweep`; leaving the context before that marks the sweep as killed. `figure`
    is asked only for runs that the mirror lacks.
    """

    def __init__(self, destination: Destination, *, figure: Figure | None = None) -> None:
        self._destination = destination
        self._figure = figure
        self._opened: Store | None = None
        self._sweep: _Sweep | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    @property
    def is_open(self) -> bool:
        """Whether a sweep is open."""
        return self._sweep is not None

    @property
    def _store(self) -> Store:
        # Opened late: importing mlflow and creating the tables take seconds.
        self._opened = self._opened or Store(self._destination)
        return self._opened

    def open_sweep(self, plan: SweepPlan) -> None:
        """Begin or continue the run of `plan`; runs that a dead process left behind become KILLED."""
        experiment = self._store.experiment(plan.name)
        self._store.end_abandoned(experiment)
        existing = self._without_doubles(self._store.runs(f"tags.`winnow.sweep` = '{plan.name}'", [experiment]))
        tags = {"winnow.level": "sweep", "winnow.sweep": plan.name, "winnow.plan": plan.hash[:HASH_LENGTH]}
        parent = _parent(existing, plan)
        if parent:
            self._store.resume(parent.id)
        id_ = parent.id if parent else self._store.create(experiment, f"{plan.name} (sweep)", tags, started=time.time())
        note = sweep_note(plan)
        self._store.log(id_, Batch(tags=tags | {"mlflow.note.content": note}), at=time.time())
        self._store.describe(experiment, note, arms_view(plan, id_))
        known = {_place(run.tags): run for run in existing if run.tags.get("winnow.parent") == id_}
        self._sweep = _Sweep(plan, experiment, id_, known)

    def begin_run(self, planned: PlannedRun, *, started: float) -> None:
        """Show a run as under way since `started`, in seconds since 1970; an earlier result gives way."""
        sweep = self._sweep
        if sweep is None:
            return
        tags = place_tags(planned, sweep.plan)
        known = sweep.known.get(_place(tags))
        if known and not _is_empty(known):
            self._store.delete(known)
            known = None
        if known:
            self._store.resume(known.id)
        else:
            tags |= {"winnow.parent": sweep.id, "mlflow.parentRunId": _above(sweep, tags)}
            id_ = self._store.create(sweep.experiment, _name(sweep.plan, tags), tags, started=started)
            known = StoredRun(id_, sweep.experiment, "RUNNING", tags)
        sweep.known[_place(tags)] = known
        sweep.under_way.add(known.id)

    def add_run(self, record: RunRecord, planned: PlannedRun, *, ended: float | None = None) -> None:
        """Mirror one run; the same record again changes nothing, another one takes its place.

        `ended` is in seconds since 1970, now if absent.
        """
        sweep = self._sweep
        if sweep is None:
            return
        ended = time.time() if ended is None else ended
        tags = run_tags(record, planned, sweep.plan)
        params = arm_params(record.spec, planned)
        group = self._group(sweep, tags, params, started=ended - sum(record.timings.values()))
        group.add(str(planned.seed), record, ended)
        tags |= {"winnow.parent": sweep.id, "mlflow.parentRunId": group.id}
        known = sweep.known.get(_place(tags))
        if known and _same(known, tags):
            return
        if known and not _is_empty(known):
            self._store.delete(known)
            known = None
        if known:
            id_ = known.id
            self._store.log(id_, Batch(tags=tags), at=ended)
        else:
            started = ended - sum(record.timings.values())
            id_ = self._store.create(sweep.experiment, _name(sweep.plan, tags), tags, started=started)
        status = self._fill(id_, record, tags["winnow.dataset"], params | {"seed": str(planned.seed)}, ended=ended)
        sweep.under_way.discard(id_)
        sweep.known[_place(tags)] = StoredRun(id_, sweep.experiment, status, tags)  # it may fail now and finish later
        if len(group.finished) == len(sweep.plan.seeds):
            self._summarise(group)  # an arm that is complete need not wait for the others

    def close_sweep(self, summary: Summary = Summary()) -> None:
        """Sum up the arms, put answer, question and table where they are seen first, keep the report's files."""
        sweep, now = self._sweep, time.time()
        if sweep is None:
            return
        for group in sweep.groups.values():
            self._summarise(group)
        for file in summary.files:
            self._store.write(sweep.id, f"report/{file.name}", file.read_bytes())
        finished = sum(len(group.finished) for group in sweep.groups.values())
        failed = sum(len(group.failed) for group in sweep.groups.values())
        counts = {"runs/finished": float(finished), "runs/failed": float(failed)}
        note = sweep_note(sweep.plan, summary.answer, summary.table_markdown)
        self._store.log(sweep.id, Batch(counts, tags={"mlflow.note.content": note}), at=now)
        self._store.describe(sweep.experiment, note, arms_view(sweep.plan, sweep.id))
        self._store.end(sweep.id, "FINISHED" if finished or not failed else "FAILED", at=now)
        self._sweep = None

    def abandon(self) -> None:
        """Mark the sweep that is open as killed; without one, do nothing."""
        sweep, self._sweep = self._sweep, None
        if sweep:
            for run in (*sweep.under_way, *(group.id for group in sweep.groups.values()), sweep.id):
                self._store.end(run, "KILLED", at=time.time())

    def _without_doubles(self, runs: Iterable[StoredRun]) -> list[StoredRun]:
        """Delete all but one of the runs at each place, and return those that stay.

        A server that hung may carry out a request long after the asker gave up and asked
        again. The one with most below it stays; of runs, one that was written in full.
        """
        every = list(runs)
        below = Counter(run.tags.get("winnow.parent") for run in every)
        below.update(run.tags.get("mlflow.parentRunId") for run in every)
        stay: dict[Key, StoredRun] = {}
        for run in sorted(every, key=lambda run: (below[run.id], _is_whole(run)), reverse=True):
            parent = run.tags.get("winnow.parent", run.tags["winnow.plan"])
            place = (run.tags["winnow.level"], parent, *_place(run.tags))
            if place in stay:
                self._store.delete(run)
            else:
                stay[place] = run
        return list(stay.values())

    def _group(self, sweep: _Sweep, tags: dict[str, str], params: dict[str, str], *, started: float) -> _Group:
        """Return the run of this arm on this dataset; params cannot be changed, so other ones need another run."""
        key = (tags["winnow.arm"], tags["winnow.dataset"])
        if key in sweep.groups:
            return sweep.groups[key]
        kept = {
            name: tags[f"winnow.{name}"] for name in ("sweep", "plan", "arm", "dataset", "base", "teacher", "miner")
        }
        own = {f"winnow.{name}": value for name, value in kept.items()}
        own |= {"winnow.level": "arm", "winnow.fingerprint": digest(params, HASH_LENGTH)}
        own |= {"winnow.parent": sweep.id, "mlflow.parentRunId": sweep.id}
        known = sweep.known.get(key)
        if known and known.tags.get("winnow.fingerprint") == own["winnow.fingerprint"]:
            self._store.resume(known.id)
            group = _Group(known.id, known.tags.get("winnow.record", ""))
        else:
            if known:
                self._store.delete(known)
            group = _Group(self._store.create(sweep.experiment, _name(sweep.plan, own), own, started=started))
            self._store.log(group.id, Batch(params=params), at=started)
        sweep.groups[key] = group
        return group

    def _fill(self, run: str, record: RunRecord, dataset: str, params: dict[str, str], *, ended: float) -> Status:
        """Write what a record holds into a run that has its tags, and end it; return its status."""
        self._store.write(run, "record.json", record_json(record).encode())
        figure = self._figure(record) if self._figure and record.audit else None
        if figure:
            self._store.write(run, "score_distribution.png", figure)
        self._store.log(run, Batch(run_metrics(record), params, history=histories(record)), at=ended)
        self._store.use_dataset(run, DatasetUsed(dataset, record.spec.identities.get("dataset", "")))
        # Ended last: a run that has a record and is still RUNNING was not written in full, and is written again.
        status: Status = "FINISHED" if record.status == "finished" else "FAILED"
        self._store.end(run, status, at=ended)
        return status

    def _summarise(self, group: _Group) -> None:
        """Log mean and deviation over the finished seeds, unless the same are there."""
        counts = {"runs/finished": float(len(group.finished)), "runs/failed": float(len(group.failed))}
        metrics = group_metrics(group.finished[seed] for seed in sorted(group.finished)) | counts
        content = digest(metrics, HASH_LENGTH)
        if content != group.summarised:
            self._store.log(group.id, Batch(metrics, tags={"winnow.record": content}), at=time.time())
            group.summarised = content
        self._store.end(group.id, "FINISHED" if group.finished else "FAILED", at=group.ended)


def _parent(existing: Iterable[StoredRun], plan: SweepPlan) -> StoredRun | None:
    """Return the run of this plan, or of the plan that it amends."""
    sweeps = {run.tags.get("winnow.plan"): run for run in existing if run.tags.get("winnow.level") == "sweep"}
    hashes = [earlier[:HASH_LENGTH] for earlier in (plan.hash, *reversed(plan.amends))]
    return next((sweeps[earlier] for earlier in hashes if earlier in sweeps), None)


def _place(tags: Mapping[str, str]) -> Key:
    names = ("winnow.arm", "winnow.dataset", "winnow.seed")
    return tuple(tags[name] for name in names if name in tags)


def _above(sweep: _Sweep, tags: Mapping[str, str]) -> str:
    """Return the run of a run's arm; the sweep's where there is none yet."""
    key = (tags["winnow.arm"], tags["winnow.dataset"])
    return sweep.groups[key].id if key in sweep.groups else sweep.id


def _is_empty(run: StoredRun) -> bool:
    """Tell whether nothing but its beginning was written of a run."""
    return "winnow.record" not in run.tags


def _is_whole(run: StoredRun) -> bool:
    return run.status in ("FINISHED", "FAILED")


def _same(known: StoredRun, tags: dict[str, str]) -> bool:
    """Tell whether the store already has this record in full, in today's form, at its place."""
    decisive = ("winnow.record", "winnow.format", "mlflow.parentRunId")
    return _is_whole(known) and all(known.tags.get(name) == tags[name] for name in decisive)


def _name(plan: SweepPlan, tags: dict[str, str]) -> str:
    """Name a run so that arm and seed are seen in the table, and the dataset where there are several."""
    place = f" on {tags['winnow.dataset']}" if len(plan.datasets) > 1 else ""
    seed = f", seed {tags['winnow.seed']}" if "winnow.seed" in tags else ""
    return f"{tags['winnow.arm']}{place}{seed}"


def result_of(results: Path, planned: PlannedRun) -> tuple[RunRecord, float] | None:
    """Return the record of a run and when it was written, in seconds since 1970; None if there is none."""
    path = results / "runs" / planned.fingerprint / "record.json"
    return (read_record(path.parent), path.stat().st_mtime) if path.exists() else None


def rebuild(
    destination: Destination, results: Path, summary: Summary | None = None, *, figure: Figure | None = None
) -> int:
    """Mirror a whole results folder, without its outbox; return how many records it holds.

    Replaying makes no doubles. Raises StorageError if anything cannot be read or mirrored.
    """
    plan = read_sweep(results)
    count = 0
    try:
        with Mirror(destination, figure=figure) as mirror:
            mirror.open_sweep(plan)
            for planned in plan.runs:
                if result := result_of(results, planned):
                    mirror.add_run(result[0], planned, ended=result[1])
                    count += 1
            mirror.close_sweep(summary or Summary())
    except WinnowError:
        raise
    except Exception as error:
        raise StorageError(f"cannot mirror into {destination.name}: {one_line(error)}") from error
    return count


def one_line(error: BaseException) -> str:
    """Return what an error says, on one line and without secrets."""
    return redacted_text(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
