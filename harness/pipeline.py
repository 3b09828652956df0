"""One run, from its spec to its record: load, mine, train, evaluate."""

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from harness.collection import Collection, IntArray
from harness.environment import environment, keep_environment
from harness.errors import DataError, StorageError, WorkerDiedError
from harness.evaluation.model import Evaluation, all_texts, dev_means, evaluate_run, means
from harness.losses.base import Loss
from harness.mining.base import PADDING
from harness.pairs import Mined, mine
from harness.record import Failure, MemoryRetry, RunRecord, Stopping, failed_before, read_record, write_record
from harness.registry import BASES, LOSSES, REFRESHES
from harness.run_tables import LongTables
from harness.shared_training import Sharing, training_digest
from harness.sources.kept import load_collection
from harness.spec import ArmSpec, RunSpec
from harness.teachers.base import Workspace, excluded_documents
from harness.teachers.guide import StoredGuide
from harness.training.bases import Base
from harness.training.checkpoints import Checkpoints, maker
from harness.training.crew import summon
from harness.training.data import TrainingData
from harness.training.refresh.base import Searching
from harness.training.trainer import Trained
from harness.training.within_memory import Retry, train_within_memory

if TYPE_CHECKING:
    import pandas as pd
    from sentence_transformers import SentenceTransformer

__all__ = ["Finished", "attempt", "freezes_documents", "looked_at", "require_queries", "run"]


@dataclass
class Clock:
    """Wall-clock seconds by stage, that of a stage which fails included."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - start, 3)


def attempt(
    spec: RunSpec,
    work: Workspace,
    runs: Path,
    checkpoint_minutes: float = 5.0,
    fence: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> RunRecord:
    """Carry out a run and write its record; a run that fails leaves a record that says why.

    Every `checkpoint_minutes` of training a checkpoint is kept beside `runs`, from which
    a run that was cut off goes on, until there is a record. Only a StorageError passes:
    where one record cannot be written, no other can; a WorkerDiedError, as the run was cut
    off; and a LeaseLostError of `fence`, inside which the record is put in its place.
    """
    target = runs / spec.fingerprint
    if (target / "record.json").exists() and (done := read_record(target)).status == "finished":
        return done
    earlier, clock = failed_before(runs, spec.fingerprint), Clock()
    checkpoints = Checkpoints(runs.parent / "checkpoints" / spec.fingerprint, checkpoint_minutes, maker())
    with Sharing(runs, spec.fingerprint) as sharing:
        try:
            came = run(spec, work, checkpoints, clock, sharing)
        except StorageError:
            raise
        except WorkerDiedError as error:
            error.seconds = sum(clock.seconds.values())
            raise
        except Exception as error:  # noqa: BLE001  # whatever one run dies of, the others go on
            failure = Failure(kind=type(error).__name__, message=str(error), traceback=traceback.format_exc())
            came = Finished(_failed(spec, clock, failure))
        record = came.record.model_copy(update={"earlier": earlier})
        keep_environment(runs.parent)
        write_record(runs, record, came.per_query, came.trace, came.long, files=came.files, fence=fence)
    checkpoints.discard()
    return record


def _failed(spec: RunSpec, clock: Clock, failure: Failure) -> RunRecord:
    return RunRecord(
        status="failed",
        fingerprint=spec.fingerprint,
        spec=spec,
        timings=clock.seconds,
        environment=environment(),
        failure=failure,
    )


class Finished(NamedTuple):
    """What a run came to: its record, and row by row what it measured, trained on if it did, ranked and mined.

    `files` holds by name the tables of a training that it shares with another run,
    instead of those that it would have made.
    """

    record: RunRecord
    per_query: "pd.DataFrame | None" = None
    trace: "pd.DataFrame | None" = None
    long: LongTables = LongTables()
    files: Mapping[str, bytes] = MappingProxyType({})


def run(
    spec: RunSpec,
    work: Workspace,
    checkpoints: Checkpoints | None = None,
    clock: Clock | None = None,
    sharing: Sharing | None = None,
) -> Finished:
    """Carry out a run; `clock` knows afterwards how long each stage took, also if one fails.

    With `sharing`, a training that another run has carried out is taken from there. The
    wait for one that is under way is no stage: the other run counts that time.
    """
    clock = clock or Clock()
    arm = spec.arm
    if arm.training is not None:
        summon(work.ranks)  # they import while this process loads and mines
    with clock.stage("load"):
        collection = load_collection(spec.dataset, work.store)
        require_queries(collection, looked_at(arm))
        base = cast("Base", BASES.create(arm.base.name, arm.base.params))
        load = partial(_loaded, base, spec, collection, work)
        model = load()
    with clock.stage("mine"):
        mined = mine(spec, collection, work)
        data = None if arm.training is None else _training_data(spec, collection, mined, work)
    record = _begun(spec, collection, mined, work.ranks.count)
    if sharing is not None and data is not None:
        source = sharing.source(training_digest(spec, collection, data, environment(), work.ranks.count))
        if source is not None:
            record = source.lend(record).model_copy(update={"timings": clock.seconds})
            return Finished(record, long=LongTables(negatives=mined.table), files=source.files)
    trained, retry = Trained(losses=()), None
    if arm.training is not None and data is not None:
        with clock.stage("train"):
            model, trained, retry = train_within_memory(
                model,
                load,
                data,
                training=arm.training,
                loss=cast("Loss", LOSSES.create(arm.training.loss.name, arm.training.loss.params)),
                seed=spec.seed,
                checkpoints=checkpoints,
                look=partial(dev_means, collection, spec.drop_own),
                ranks=work.ranks,
            )
    with clock.stage("evaluate"):
        frozen = load() if freezes_documents(arm) else None
        evaluation = evaluate_run(model, spec, collection, work.store, frozen)
    outcome = _of_training(trained, retry) | _of_evaluation(evaluation)
    record = record.model_copy(update={**outcome, "timings": clock.seconds})
    long = LongTables(evaluation.rankings, mined.table)
    return Finished(record, evaluation.per_query, _trace(collection, mined, trained), long)


def _begun(spec: RunSpec, collection: Collection, mined: Mined, processes: int) -> RunRecord:
    """Record what is known of a run before it trains."""
    trained = spec.arm.training is not None
    return RunRecord(
        status="finished",
        fingerprint=spec.fingerprint,
        spec=spec,
        pairs=len(mined.query) if trained else 0,
        pairs_hash=mined.pairs_hash if trained else "",
        negatives_hash=mined.negatives_hash,
        yields=mined.yields,
        audit=mined.audit,
        hashes={"collection": collection.digest, **spec.identities},
        environment=environment(),
        processes=1 if spec.arm.training is None else processes,
    )


def _of_training(trained: Trained, retry: Retry | None) -> dict[str, object]:
    """Return the fields of a record that a training fills."""
    return {
        "steps": len(trained.losses),
        "losses": trained.losses,
        "refresh": trained.refresh,
        "batching": trained.batching,
        "stopping": _stopping(trained),
        "memory": None if retry is None else MemoryRetry(**asdict(retry)),
    }


def _of_evaluation(evaluation: Evaluation) -> dict[str, object]:
    """Return the fields of a record that an evaluation fills."""
    return {"metrics": _means(evaluation.per_query), "evaluated": evaluation.splits}


def _trace(collection: Collection, mined: Mined, trained: Trained) -> "pd.DataFrame | None":
    """Return what a training noted, with the columns of `record.TRACE_COLUMNS`."""
    import pandas as pd

    if trained.trace is None:
        return None
    columns = asdict(trained.trace)
    pair = columns.pop("pair")
    query = [collection.query_ids[index] for index in mined.query[pair]]
    document = [collection.document_ids[index] for index in mined.positive[pair]]
    return pd.DataFrame({"query_id": query, "document_id": document, **columns})


def _loaded(base: Base, spec: RunSpec, collection: Collection, work: Workspace) -> "SentenceTransformer":
    return base.load(max_length=spec.arm.max_length, texts=all_texts(spec, collection, work.store))


def looked_at(arm: ArmSpec) -> tuple[str, ...]:
    """Return the splits that an arm cannot be trained without, beside its training pairs."""
    return ("dev",) if arm.training is not None and arm.training.early_stopping is not None else ()


def require_queries(collection: Collection, splits: tuple[str, ...]) -> None:
    """Raise DataError if one of the splits has no query to evaluate."""
    for split in splits:
        if not collection.split(split).queries.size:
            message = f"early_stopping needs {split} queries to look at, and {collection.name} has none"
            raise DataError(message)


def _stopping(trained: Trained) -> Stopping | None:
    if trained.best_step is None:
        return None
    steps, values = zip(*trained.looks, strict=True)
    return Stopping(steps=steps, values=values, best_step=trained.best_step)


def _means(per_query: "pd.DataFrame") -> dict[str, dict[str, float]]:
    return {str(split): means(frame) for split, frame in per_query.groupby("split", sort=True)}


def _training_data(spec: RunSpec, collection: Collection, mined: Mined, work: Workspace) -> TrainingData:
    training = spec.arm.training
    masked = training is not None and (training.mask_known_positives or freezes_documents(spec.arm))
    return TrainingData(
        query_texts=collection.query_texts,
        document_texts=collection.document_texts,
        query=mined.query,
        positive=mined.positive,
        negative=mined.negative,
        weight=mined.weight,
        pace=mined.pace,
        known=_known(collection, mined) if masked else None,
        guides=_guides(spec.arm, collection, work),
        mining=mined.again,
    )


def freezes_documents(arm: ArmSpec) -> bool:
    """Tell whether only the query encoder is trained, so that the base goes on to embed the documents."""
    refresh = None if arm.training is None else arm.training.refresh
    return refresh is not None and issubclass(REFRESHES[refresh.name].factory, Searching)


def _known(collection: Collection, mined: Mined) -> IntArray:
    """List the (query, document) pairs that are labelled, share a positive's text, or were relabelled. Shape (2, m)."""
    query = np.unique(mined.query)
    table = excluded_documents(collection, collection.split("train"), query)
    row, column = np.nonzero(np.not_equal(table, PADDING))
    labelled = np.stack([query[row], table[row, column]])
    return np.concatenate([labelled, np.stack([mined.query, mined.positive])], axis=1)


def _guides(arm: ArmSpec, collection: Collection, work: Workspace) -> tuple[StoredGuide, ...]:
    """Return the teachers that the arm's loss looks up: those that it names, else the one that mines."""
    if arm.training is None or cast("type[Loss]", LOSSES[arm.training.loss.name].factory).guidance == "none":
        return ()
    own = () if arm.mining is None else (arm.mining.teacher,)
    return tuple(StoredGuide(guide, collection, work) for guide in arm.training.guides or own)
