"""From a batcher to the batches that the trainer fetches."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from sentence_transformers.base.sampler import DefaultBatchSampler

from harness.collection import normalised
from harness.errors import StorageError
from harness.measures import BatchingRecord, Clustering
from harness.registry import BATCHERS
from harness.seeding import generator
from harness.spec import TrainingSpec
from harness.teachers.dense import Kind
from harness.training.batching.base import Arrangement, Batcher, Epoch, Pairs
from harness.training.batching.conflicts import Conflicts, count_conflicts
from harness.training.data import FloatArray, IntArray, TrainingData
from harness.training.embedding import embedder

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer

__all__ = ["BatchSampler", "Batches", "pairs_of"]


class Batches:
    """The batches of a training, epoch after epoch.

    An epoch's are chosen when its first batch is fetched: after the last step of the
    epoch before, so that a batcher that embeds sees the model of the epoch's beginning.
    """

    def __init__(self, training: TrainingSpec, data: TrainingData, model: "SentenceTransformer", seed: int) -> None:
        assert training.batching is not None  # noqa: S101  the caller has asked
        self.record = BatchingRecord()
        self.size = training.batch_size
        self._batcher = cast("Batcher", BATCHERS.create(training.batching.name, training.batching.params))
        self._pairs = pairs_of(data, model)
        self._conflicts = Conflicts.of(self._pairs.query, self._pairs.positive)
        self._seed = seed
        self._epoch = -1
        self._arrangement: Arrangement | None = None

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._pairs)

    def of(self, epoch: int) -> list[list[int]]:
        """Return the batches of an epoch, each a list of numbers of pairs.

        Raises StorageError if neither this epoch nor the one before was asked for last:
        what a batcher keeps from epoch to epoch would be missing.
        """
        if epoch == self._epoch + 1:
            self._arrange(epoch)
        elif epoch != self._epoch:
            message = (
                f"batches of epoch {epoch} were asked for after those of epoch {self._epoch}: no state to go on from"
            )
            raise StorageError(message)
        order = self._now.order
        return [order[start : start + self.size].tolist() for start in range(0, len(order), self.size)]

    @property
    def settled(self) -> bool:
        """Whether a checkpoint may be written: the batches of an epoch stay as they are."""
        return True

    def remember(self) -> dict[str, object]:
        """Return what `recall` needs to go on from the middle of the epoch, once the first has begun."""
        now = self._now
        clusters = {} if now.cluster is None else {"cluster": now.cluster}
        return {"epoch": self._epoch, "order": now.order, "record": self.record.model_dump_json(), **clusters}

    def recall(self, state: dict[str, Any]) -> None:  # Any: as `remember` wrote it
        """Go on from the epoch of a checkpoint, with the batches that it had."""
        self._epoch, self.record = state["epoch"], BatchingRecord.model_validate_json(state["record"])
        self._arrangement = Arrangement(state["order"], state.get("cluster"))

    def sampler(self, dataset: "Dataset", **arguments: object) -> "BatchSampler":
        """Return the sampler of one pass of the trainer; called by it."""
        return BatchSampler(dataset, self, generator=cast("torch.Generator | None", arguments.get("generator")))

    @property
    def _now(self) -> Arrangement:
        assert self._arrangement is not None  # noqa: S101  the first epoch has begun
        return self._arrangement

    def _arrange(self, epoch: int) -> None:
        start = time.perf_counter()
        rng = generator(self._seed, "batching", str(epoch))
        now = self._batcher.arrange(self._pairs, Epoch(epoch, self.size, rng, self._arrangement))
        self._epoch, self._arrangement = epoch, now
        seconds = self.record.seconds + time.perf_counter() - start
        conflicts = (*self.record.conflicts, count_conflicts(self._conflicts, now.order, self.size))
        self.record = BatchingRecord(
            conflicts=conflicts,
            clusterings=(*self.record.clusterings, *_clusterings(epoch, now)),
            seconds=round(seconds, 3),
        )


def _clusterings(epoch: int, arrangement: Arrangement) -> Iterator[Clustering]:
    if arrangement.cluster is not None and arrangement.clustered:
        sizes = np.unique(arrangement.cluster, return_counts=True)[1]
        yield Clustering(epoch=epoch, clusters=len(sizes), smallest=int(sizes.min()), largest=int(sizes.max()))


class BatchSampler(DefaultBatchSampler):
    """What the trainer iterates over once per epoch, after `set_epoch`."""

    def __init__(self, dataset: "Dataset", batches: Batches, generator: "torch.Generator | None" = None) -> None:
        super().__init__(dataset, batch_size=batches.size, drop_last=False, generator=generator)
        self._batches = batches

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of the epoch that was set."""
        yield from self._batches.of(self.epoch)

    def __len__(self) -> int:
        """Return how many batches every epoch has."""
        return ceil(len(self._batches) / self.batch_size)


@dataclass(frozen=True)
class _Column:
    """One text per pair: `distinct` texts, and which of them each pair has, `row` (n,)."""

    model: "SentenceTransformer"
    kind: Kind
    distinct: list[str]
    row: IntArray

    @classmethod
    def of(cls, model: "SentenceTransformer", kind: Kind, texts: list[str]) -> Self:
        number: dict[str, int] = {}
        row = np.array([number.setdefault(text, len(number)) for text in texts], dtype=np.int32)
        return cls(model, kind, list(number), row)

    @property
    def key(self) -> IntArray:
        """Numbers that are equal where texts are, but for case and white space. Shape (n,)."""
        return _Column.of(self.model, self.kind, [normalised(text) for text in self.distinct]).row[self.row]

    def embed(self) -> FloatArray:
        """Return a unit vector for each pair. Shape (n, d)."""
        return embedder(self.model)(self.distinct, self.kind)[self.row]


def pairs_of(data: TrainingData, model: "SentenceTransformer") -> Pairs:
    """Return the pairs of a training as batchers see them, embedded by `model` whenever they ask."""
    query = _Column.of(model, "query", [data.query_texts[index] for index in data.query])
    positive = _Column.of(model, "document", [data.document_texts[index] for index in data.positive])
    return Pairs(query.key, positive.key, query.embed, positive.embed)
