"""The pairs and negatives that a run trains on."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.audit import audit, is_hidden, negatives_digest, yields
from harness.collection import Collection, IntArray
from harness.composition import Composed, Composer, RepeatedMining
from harness.fingerprint import digest
from harness.measures import AuditRecord, Yield
from harness.mining.base import PADDING, BoolArray, FloatArray, Negatives
from harness.run_tables import MinedNegatives
from harness.spec import RunSpec
from harness.teachers.base import Workspace

if TYPE_CHECKING:
    pass

__all__ = ["Mined", "mine"]


@dataclass(frozen=True)
class Mined:
    """The training pairs of an arm, with their negatives if it mines any.

    Pairs that repair relabelled stand behind the labelled ones, with the negatives of a
    row of their query. `negative` has shape (n, k), or (epochs, n, k) where they are
    redrawn; `yields`, `audit` and `table` are then those of the first epoch. `pace` counts
    the pairs before repair: they set the number of steps. `again` mines anew during training.
    """

    query: IntArray
    positive: IntArray
    negative: IntArray
    pairs_hash: str
    pace: int
    weight: FloatArray | None = None
    yields: Yield | None = None
    audit: AuditRecord | None = None
    negatives_hash: str = ""
    table: MinedNegatives | None = None
    again: RepeatedMining | None = None


def mine(spec: RunSpec, collection: Collection, work: Workspace) -> Mined:
    """Choose the pairs and negatives that a run trains on, and describe them.

    With `spec.equal_with`, pairs that any of those minings cannot serve are left out;
    queries that one of them drops in repair are its own affair.
    """
    rows = collection.split("train")
    query, positive = rows.query[rows.labelled], rows.document[rows.labelled]
    trained = np.ones(len(query), dtype=np.bool_)
    for other in spec.equal_with:
        trained &= _served(Composer(other, collection, work).compose(spec.seed))
    if spec.arm.mining is None:
        query, positive = query[trained], positive[trained]
        none = np.empty((len(query), 0), dtype=np.int32)
        return Mined(query, positive, none, _pairs_hash(collection, query, positive), pace=len(query))
    composer = Composer(spec.arm.mining, collection, work)
    epochs = spec.arm.training.epochs if spec.arm.training and spec.arm.mining.redraw else 1
    drawn = [composer.compose(spec.seed, epoch) for epoch in range(epochs)]
    trained &= _served(drawn[0])
    mined = _described(composer, drawn, trained)
    if spec.arm.training is None or spec.arm.training.refresh is None:
        return mined
    return replace(mined, again=RepeatedMining(composer, spec.seed, drawn[0], np.flatnonzero(trained)))


def _served(composed: Composed) -> BoolArray:
    """Tell which pairs no shortage takes; one whose query repair drops is not short. Shape (n,)."""
    return composed.served.trained | ~composed.kept


def _described(composer: Composer, drawn: list[Composed], trained: BoolArray) -> Mined:
    """Put together what is trained on; `trained` (n,) are the pairs that no shortage took."""
    collection, first, pool = composer.collection, drawn[0], drawn[0].pool
    kept = trained & first.kept
    row, added = _relabelled(first, kept)
    rows = np.concatenate([np.flatnonzero(kept), row])
    query = pool.query[rows]
    positive = np.concatenate([pool.positive_document[kept], added]).astype(np.int32)
    negatives = composer.scored(first.served.negatives, pool)
    documents = np.stack([each.served.negatives.document for each in drawn])[:, rows]
    found = yields(first.served, kept, negatives.document.shape[1])
    return Mined(
        query=query,
        positive=positive,
        negative=documents if len(drawn) > 1 else documents[0],
        pairs_hash=_pairs_hash(collection, query, positive),
        pace=int(trained.sum()),
        weight=None if first.weight is None else first.weight[rows],
        yields=found.model_copy(update={"relabelled": len(added), "suspected": _suspects(first)}),
        audit=audit(pool, negatives, collection.split("train"), kept),
        negatives_hash=_negatives_hash(collection, drawn, kept),
        table=MinedNegatives(
            query_ids=collection.query_ids,
            document_ids=collection.document_ids,
            query=query,
            positive=positive,
            positive_score=np.concatenate([pool.positive[kept], composer.scores(query[kept.sum() :], added)]),
            document=documents[0],
            score=negatives.score[rows],
            hidden=is_hidden(pool, negatives, collection.split("train"))[rows],
        ),
    )


def _relabelled(composed: Composed, kept: BoolArray) -> tuple[IntArray, IntArray]:
    """Return the rows and documents of the pairs that repair adds to those that are kept."""
    if composed.repaired is None:
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32)
    row, document = composed.repaired.added_row, composed.repaired.added_document
    return row[kept[row]], document[kept[row]]


def _suspects(composed: Composed) -> int:
    """Count the suspected (query, document) pairs, each once."""
    if composed.repaired is None:
        return 0
    _, first_row = np.unique(composed.pool.query, return_index=True)
    return int((composed.repaired.suspects[first_row] != PADDING).sum())


def _negatives_hash(collection: Collection, drawn: list[Composed], kept: BoolArray) -> str:
    names = (collection.query_ids, collection.document_ids)
    hashes = [negatives_digest(names, each.pool, _of(each.served.negatives, kept)) for each in drawn]
    return hashes[0] if len(hashes) == 1 else digest(hashes)


def _of(negatives: Negatives, kept: BoolArray) -> Negatives:
    return replace(negatives, document=np.where(kept[:, None], negatives.document, PADDING))


def _pairs_hash(collection: Collection, query: IntArray, positive: IntArray) -> str:
    return digest([[collection.query_ids[q], collection.document_ids[d]] for q, d in zip(query, positive, strict=True)])
