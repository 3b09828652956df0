"""One run, from its spec to its record: load, mine, train, evaluate."""

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from harness.audit import audit, negatives_digest, yields
from harness.collection import Collection, IntArray
from harness.environment import environment
from harness.errors import DataError, NumericError, StorageError
from harness.evaluation.rankings import evaluate_split
from harness.fingerprint import digest
from harness.losses.base import Loss
from harness.measures import AuditRecord, Yield
from harness.mining.base import PADDING, Miner, Negatives, Pool
from harness.mining.shortage import Served, serve
from harness.record import PER_QUERY_COLUMNS, Failure, RunRecord, read_record, write_record
from harness.registry import BASES, LOSSES, MINERS, TEACHERS
from harness.seeding import generator
from harness.sources.kept import load_collection
from harness.spec import Component, MiningSpec, RunSpec
from harness.teachers.base import Teacher, Workspace, build_pool
from harness.teachers.dense import encode
from harness.training.bases import Base
from harness.training.trainer import TrainingData, train

if TYPE_CHECKING:
    import pandas as pd
    from sentence_transformers import SentenceTransformer

__all__ = ["attempt", "evaluate", "mine", "prepare", "run"]

EVALUATED = ("dev", "test")
_ENCODE_BATCH = 256


@dataclass(frozen=True)
class Mined:
    """The training pairs of an arm, with their negatives if it mines any."""

    query: IntArray
    positive: IntArray
    negative: IntArray
    pairs_hash: str
    yields: Yield | None = None
    audit: AuditRecord | None = None
    negatives_hash: str = ""


@dataclass
class Clock:
    """Wall-clock seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)


def prepare(dataset: Component, mining: MiningSpec | None, work: Workspace) -> None:
    """Put into the store what the runs on a dataset share: the collection, and a teacher's pool."""
    collection = load_collection(dataset, work.store)
    if mining is not None:
        _pool(mining, collection, work)


def attempt(spec: RunSpec, work: Workspace, runs: Path) -> RunRecord:
    """Carry out a run and write its record; a run that fails leaves a record that says why.

    Only a StorageError passes: where one record cannot be written, no other can.
    """
    target = runs / spec.fingerprint
    if (target / "record.json").exists() and (done := read_record(target)).status == "finished":
        return done
    per_query = None
    try:
        record, per_query = run(spec, work)
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever one run dies of, the others go on
        record = RunRecord(
            status="failed",
            fingerprint=spec.fingerprint,
            spec=spec,
            environment=environment(),
            failure=Failure(kind=type(error).__name__, message=str(error), traceback=traceback.format_exc()),
        )
    write_record(runs, record, per_query)
    return record


def run(spec: RunSpec, work: Workspace) -> "tuple[RunRecord, pd.DataFrame]":
    """Carry out a run; return its record and its metrics per query."""
    clock = Clock()
    arm = spec.arm
    with clock.stage("load"):
        collection = load_collection(spec.dataset, work.store)
        base = cast("Base", BASES.create(arm.base.name, arm.base.params))
        texts = (*collection.document_texts, *collection.query_texts)
        model = base.load(max_length=arm.max_length, texts=texts)
    with clock.stage("mine"):
        mined = mine(spec, collection, work)
    losses: list[float] = []
    if arm.training is not None:
        loss = cast("Loss", LOSSES.create(arm.training.loss.name, arm.training.loss.params))
        with clock.stage("train"):
            losses = train(model, _training_data(collection, mined), arm.training, loss, spec.seed)
    with clock.stage("evaluate"):
        per_query = evaluate(model, collection)
    record = RunRecord(
        status="finished",
        fingerprint=spec.fingerprint,
        spec=spec,
        metrics=_means(per_query),
        steps=len(losses),
        pairs=len(mined.query) if arm.training else 0,
        pairs_hash=mined.pairs_hash if arm.training else "",
        negatives_hash=mined.negatives_hash,
        yields=mined.yields,
        audit=mined.audit,
        losses=tuple(losses),
        hashes={"collection": collection.digest, **spec.identities},
        timings=clock.seconds,
        environment=environment(),
    )
    return record, per_query


def mine(spec: RunSpec, collection: Collection, work: Workspace) -> Mined:
    """Choose the pairs and negatives that a run trains on, and describe them.

    With `spec.equal_with`, pairs that any of those minings cannot serve are left out.
    """
    rows = collection.split("train")
    query, positive = rows.query[rows.labelled], rows.document[rows.labelled]
    trained = np.ones(len(query), dtype=np.bool_)
    for mining in spec.equal_with:
        trained &= _served(mining, spec.seed, _pool(mining, collection, work)).trained
    if spec.arm.mining is None:
        none = np.empty((int(trained.sum()), 0), dtype=np.int32)
        return Mined(
            query[trained], positive[trained], none, _pairs_hash(collection, query[trained], positive[trained])
        )
    mining = spec.arm.mining
    pool = _pool(mining, collection, work)
    served = _served(mining, spec.seed, pool)
    trained &= served.trained
    negatives = _scored(served.negatives, pool, mining, collection, work)
    chosen = replace(negatives, document=np.where(trained[:, None], negatives.document, PADDING))
    return Mined(
        query=query[trained],
        positive=positive[trained],
        negative=negatives.document[trained],
        pairs_hash=_pairs_hash(collection, query[trained], positive[trained]),
        yields=yields(served, trained, negatives.document.shape[1]),
        audit=audit(pool, negatives, rows, trained),
        negatives_hash=negatives_digest((collection.query_ids, collection.document_ids), pool, chosen),
    )


def evaluate(model: "SentenceTransformer", collection: Collection) -> "pd.DataFrame":
    """Rank the corpus for every dev and test query; one row per query."""
    import pandas as pd

    documents = encode(model, collection.document_texts, batch_size=_ENCODE_BATCH)
    frames = []
    for split in EVALUATED:
        queries = collection.split(split).queries
        if queries.size:
            vectors = encode(model, [collection.query_texts[query] for query in queries], batch_size=_ENCODE_BATCH)
            frames.append(evaluate_split(collection, split, vectors, documents))
    if not frames:
        message = f"{collection.name} has neither dev nor test queries to evaluate"
        raise DataError(message)
    return pd.concat(frames, ignore_index=True)


def _means(per_query: "pd.DataFrame") -> dict[str, dict[str, float]]:
    metrics = [column for column in PER_QUERY_COLUMNS if "_at_" in column]
    return {
        str(split): {metric: float(frame[metric].mean()) for metric in metrics}
        for split, frame in per_query.groupby("split", sort=True)
    }


def _pool(mining: MiningSpec, collection: Collection, work: Workspace) -> Pool:
    teacher = cast("Teacher", TEACHERS.create(mining.teacher.name, mining.teacher.params))
    return build_pool(teacher, collection, "train", mining.depth, work)


def _served(mining: MiningSpec, seed: int, pool: Pool) -> Served:
    miner = cast("Miner", MINERS.create(mining.miner.name, mining.miner.params))
    negatives = miner.select(pool, generator(seed, "mining"))
    return serve(negatives, pool, mining.on_shortage, miner.k, generator(seed, "shortage"))


def _scored(negatives: Negatives, pool: Pool, mining: MiningSpec, collection: Collection, work: Workspace) -> Negatives:
    """Have the teacher score the negatives that did not come from its pool."""
    row, column = np.nonzero(negatives.filled & np.isnan(negatives.score))
    if not row.size:
        return negatives
    teacher = cast("Teacher", TEACHERS.create(mining.teacher.name, mining.teacher.params))
    score = negatives.score.copy()
    score[row, column] = teacher.score(collection, pool.query[row], negatives.document[row, column], work)
    if np.isnan(score[row, column]).any():
        message = f"the teacher scored {collection.name} with NaN"
        raise NumericError(message)
    return replace(negatives, score=score)


def _training_data(collection: Collection, mined: Mined) -> TrainingData:
    return TrainingData(
        query_texts=collection.query_texts,
        document_texts=collection.document_texts,
        query=mined.query,
        positive=mined.positive,
        negative=mined.negative,
    )


def _pairs_hash(collection: Collection, query: IntArray, positive: IntArray) -> str:
    return digest([[collection.query_ids[q], collection.document_ids[d]] for q, d in zip(query, positive, strict=True)])


@dataclass(frozen=True)
class Preparation:
    """The job of putting into the store what runs share."""

    dataset: Component
    mining: MiningSpec | None
    threads: int

    def __call__(self, work: Workspace) -> None:
        """Load the collection and, if negatives are to be mined, build the pool."""
        work.progress(f"reading {self.dataset.name}", 0, 1)
        prepare(self.dataset, self.mining, work)


@dataclass(frozen=True)
class RunJob:
    """The job of carrying out one run; one thread, so that its numbers do not depend on how many run beside it."""

    spec: RunSpec
    runs: Path
    threads: int = 1

    def __call__(self, work: Workspace) -> str:
        """Carry out the run, write its record, and return its status."""
        return attempt(self.spec, work, self.runs).status
