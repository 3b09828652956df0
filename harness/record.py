"""What a run leaves behind: its schema, written in one atomic step, and read back."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Field, ValidationError

from harness.errors import StorageError, storage_error
from harness.measures import AuditRecord, BatchingRecord, Histograms, RefreshRecord, Yield
from harness.run_tables import LongTables, write_negatives, write_rankings
from harness.spec import MetricName, PlannedRun, RunSpec, Spec, SweepPlan
from harness.store import sync, write_file
from harness.sums import require_intact, write_sums

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "METRICS",
    "PER_QUERY_COLUMNS",
    "TRACE_COLUMNS",
    "Attempt",
    "AuditRecord",
    "BatchingRecord",
    "Environment",
    "EvaluatedSplit",
    "Failure",
    "Histograms",
    "MemoryRetry",
    "RunRecord",
    "Stopping",
    "Yield",
    "absent",
    "failed_before",
    "parse_record",
    "put_in_place",
    "read_per_query",
    "read_record",
    "read_records",
    "record_of",
    "write_record",
    "write_text",
]

METRICS: tuple[MetricName, ...] = get_args(MetricName)
"""Every metric that is kept of a query."""

PER_QUERY_COLUMNS = ("split", "query_id", "relevant", *METRICS)
"""Columns of `per_query.parquet`: one row per evaluated query; `relevant` counts its relevant documents.

`split` is `dev` or `test` of the run's own dataset, `test@name` of a further one.
"""

_FIRST_COLUMNS = ("split", "query_id", "relevant", "ndcg_at_10", "mrr_at_10", "recall_at_100")
"""What the first records held; they stay readable."""


TRACE_COLUMNS = ("epoch", "query_id", "document_id", "loss", "positive", "negative_mean", "negative_variance")
"""Columns of `trace.parquet`: one row each time that a training pair, by query and positive, was in a batch."""


def absent(value: object) -> bool:
    """Tell a value that is not there, as fields use it that are then not written."""
    return value is None or value in ({}, "", ())


class Environment(Spec):
    """Where a run happened.

    `lock` and `diff` name the files `environment/<lock>.lock` and `environment/<diff>.patch`
    of the sweep: every installed distribution, and what was changed in Winnow's own code
    since `commit`. Empty where that is unknown, or where nothing was changed.
    """

    python: str
    platform: str
    processor: str
    cores: int
    threads: int
    device: str
    packages: dict[str, str]
    commit: str
    dirty: bool
    lock: Annotated[str, Field(exclude_if=absent)] = ""
    diff: Annotated[str, Field(exclude_if=absent)] = ""


class Failure(Spec):
    """Why a run has no numbers; `traceback` is for whoever mends it."""

    kind: str
    message: str
    traceback: str = ""


class Attempt(Spec):
    """That a run was tried before and failed: of what, and after how many seconds of work."""

    kind: str
    message: str
    seconds: float


class EvaluatedSplit(Spec):
    """What the rows of one split were measured on.

    `collection` is its name, with the revision where it has one, `digest` its content;
    `own_dropped` counts the queries whose own document was left out of the ranking.
    """

    collection: str
    digest: str
    own_dropped: int = 0


class Stopping(Spec):
    """What early stopping saw: the dev metric at each look, and the step whose weights were kept."""

    steps: tuple[int, ...]
    values: tuple[float, ...]
    best_step: int


class MemoryRetry(Spec):
    """That the device's memory was too small: after how many steps, with which micro-batch, and what it was cut to."""

    step: int
    micro_batch: int
    retried_with: int
    message: str


def _alone(processes: int) -> bool:
    return processes == 1


class RunRecord(Spec):
    """Everything that is known of one run.

    `metrics` maps split to metric to mean over queries; `losses` holds the training
    loss of each step; `timings` are wall-clock seconds by stage; `pairs` counts the
    (query, positive) pairs trained on, `pairs_hash` digests them,
    `negatives_hash` them with the negatives that the training begins with. `evaluated`
    has the keys of `metrics`. `refresh` is there where negatives change during training,
    `batching` if the arm names one, `stopping` with early stopping, after which `steps`
    may differ from the other arms', `memory` if training was tried twice. `processes` says
    how many trained it together. `earlier` are the last attempts that failed before this
    one, oldest first. `shared_with` is the fingerprint of the run whose training and
    evaluation this one shares, empty where it trained itself; `timings` are what it took
    itself.
    """

    status: Literal["finished", "failed"]
    fingerprint: str
    spec: RunSpec
    metrics: dict[str, dict[str, float]] = Field(default_factory=dict)
    evaluated: dict[str, EvaluatedSplit] = Field(default_factory=dict, exclude_if=absent)
    steps: int = 0
    pairs: int = 0
    pairs_hash: str = ""
    negatives_hash: str = ""
    yields: Yield | None = None
    audit: AuditRecord | None = None
    losses: tuple[float, ...] = ()
    refresh: Annotated[RefreshRecord | None, Field(exclude_if=absent)] = None
    batching: Annotated[BatchingRecord | None, Field(exclude_if=absent)] = None
    hashes: dict[str, str] = Field(default_factory=dict)
    timings: dict[str, float] = Field(default_factory=dict)
    environment: Environment | None = None
    failure: Failure | None = None
    stopping: Annotated[Stopping | None, Field(exclude_if=absent)] = None
    memory: Annotated[MemoryRetry | None, Field(exclude_if=absent)] = None
    processes: Annotated[int, Field(exclude_if=_alone)] = 1
    earlier: Annotated[tuple[Attempt, ...], Field(exclude_if=absent)] = ()
    shared_with: Annotated[str, Field(exclude_if=absent)] = ""
    schema_version: Literal[1] = 1


_KEPT_ATTEMPTS = 5


def failed_before(runs: Path, fingerprint: str) -> tuple[Attempt, ...]:
    """Return the failed attempts at a run, oldest first: the one whose record is there, and those that it names."""
    folder = runs / fingerprint
    if not (folder / "record.json").exists():
        return ()
    record = read_record(folder)
    if record.failure is None:
        return ()
    seconds = round(sum(record.timings.values()), 3)
    last = Attempt(kind=record.failure.kind, message=record.failure.message, seconds=seconds)
    return (*record.earlier, last)[-_KEPT_ATTEMPTS:]


_NO_TABLES = LongTables()
_NO_FILES: Mapping[str, bytes] = MappingProxyType({})


def write_text(path: Path, text: str) -> Path:
    """Write a text file so that it is there in full or not at all; raise StorageError if it cannot be."""
    return write_file(path, text.encode())


def write_record(  # noqa: PLR0913  # a table each, and the fence
    runs: Path,
    record: RunRecord,
    per_query: "pd.DataFrame | None",
    trace: "pd.DataFrame | None" = None,
    long: LongTables = _NO_TABLES,
    *,
    files: Mapping[str, bytes] = _NO_FILES,
    fence: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Path:
    """Put a run under `runs/<fingerprint>`, whole or not at all; an earlier failure gives way.

    `files` are tables that another run has written already, by name. A finished run that
    is already there stays: the same fingerprint has the same numbers.
    The folder takes its name inside `fence`, which raises if it must not.
    """
    target = runs / record.fingerprint
    try:
        runs.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=runs, prefix=f".{record.fingerprint}-"))
        try:
            if per_query is not None:
                per_query.loc[:, list(PER_QUERY_COLUMNS)].to_parquet(draft / "per_query.parquet", index=False)
            if trace is not None:
                trace.loc[:, list(TRACE_COLUMNS)].to_parquet(draft / "trace.parquet", index=False, compression="zstd")
            if long.rankings:
                write_rankings(draft / "rankings.parquet", long.rankings)
            if long.negatives is not None:
                write_negatives(draft / "negatives.parquet", long.negatives)
            for name, content in files.items():
                write_file(draft / name, content)
            write_text(draft / "record.json", record.model_dump_json(indent=1) + "\n")
            write_sums(draft)
            for path in draft.glob("*.parquet"):
                sync(path)
            with fence():
                put_in_place(draft, target)
            sync(runs)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise storage_error(error, target) from error
    return target


def put_in_place(draft: Path, target: Path) -> None:
    """Give a finished draft of a run's folder its name; a run that has finished stays, a failure gives way."""
    draft.chmod(0o755)
    if target.exists():
        if (target / "record.json").exists() and read_record(target).status == "finished":
            return
        retired = draft.with_name(draft.name + "-old")
        target.rename(retired)
        draft.rename(target)
        shutil.rmtree(retired)
    else:
        draft.rename(target)


def read_record(folder: Path) -> RunRecord:
    """Read `record.json` of one run; raise StorageError if it is missing, malformed or not what was written."""
    path = folder / "record.json"
    require_intact(path)
    try:
        return parse_record(path.read_bytes(), path)
    except FileNotFoundError as error:
        message = f"{path} is missing"
        raise StorageError(message) from error


def parse_record(content: bytes, path: Path) -> RunRecord:
    """Return the record that the content of `path` is; raise StorageError if it is none."""
    try:
        return RunRecord.model_validate_json(content)
    except ValidationError as error:
        message = f"{path} is not a run record: {str(error).splitlines()[0]}"
        raise StorageError(message) from error


def read_per_query(folder: Path) -> "pd.DataFrame":
    """Read the per-query metrics of one run; raise StorageError if they are missing, malformed or not what was written.

    An early record lacks the metrics that came later.
    """
    import pandas as pd

    path = folder / "per_query.parquet"
    require_intact(path)
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {error}"
        raise StorageError(message) from error
    missing = [column for column in _FIRST_COLUMNS if column not in frame.columns]
    if missing:
        message = f"{path} lacks the columns {', '.join(missing)}"
        raise StorageError(message)
    return frame


def record_of(folder: Path, run: PlannedRun) -> RunRecord | None:
    """Return the record of a run, None if there is none yet."""
    path = folder / "runs" / run.fingerprint
    return read_record(path) if (path / "record.json").exists() else None


def read_records(results: Path, plan: SweepPlan) -> Iterator[RunRecord]:
    """Yield the records of the runs of `plan` that exist, in the order of the plan."""
    for run in plan.runs:
        folder = results / "runs" / run.fingerprint
        if (folder / "record.json").exists():
            yield read_record(folder)
