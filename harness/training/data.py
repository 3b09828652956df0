"""What a training reads: pairs, their negatives of the moment, and what is looked up for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.mining.base import PADDING
from harness.teachers.dense import Embed

__all__ = ["Feed", "Guide", "Mining", "QueryFeed", "Row", "TrainingData"]

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_PER_EPOCH = 3
"""Dimensions of negatives that differ from epoch to epoch."""

Row = dict[str, str | list[int]]
"""One pair as the trainer's collator reads it: texts by column, and under `label` its number and negatives."""


class Mining(Protocol):
    """The mining of an arm, to be asked again while the model is trained."""

    def again(self, embed: Embed, step: int) -> IntArray:
        """Mine anew with the model that `embed` is, after `step` updates: its search makes the pool. Shape (n, k)."""
        ...

    def candidates(self) -> IntArray:
        """Return the eligible candidates of the first pool, best first. Shape (n, m).

        PADDING stands for those that the miner refused, and behind the last.
        """
        ...


class Guide(Protocol):
    """A frozen teacher whose embeddings and scores are looked up by query and document index."""

    def embed_queries(self) -> FloatArray:
        """Return unit vectors of all queries (n_queries, d); raise ConfigError if the teacher embeds none."""
        ...

    def embed_documents(self) -> FloatArray:
        """Return unit vectors of all documents (n_documents, d); raise ConfigError if the teacher embeds none."""
        ...

    def score(self, query: IntArray, document: IntArray) -> FloatArray:
        """Score pairs of query and document indices, aligned. Shape (n,)."""
        ...


@dataclass(frozen=True)
class TrainingData:
    """The pairs to train on, their negatives, and the teachers that guide a loss.

    `query`, `positive` (n,) and `negative` (n, k) index `query_texts` and
    `document_texts`; PADDING in `negative` is masked out of the loss. k may be 0: then
    the only negatives are those of the batch. With a shape of (epochs, n, k) every
    epoch has negatives of its own. `weight` (n, k) says how much each negative counts
    for its own query, by default 1. `pace` is how many pairs set the number of steps, by
    default those that there are: pairs added or dropped then change no budget.
    `known` (2, m) lists (query, document) pairs that are never negatives of one another.
    `mining` is where the negatives came from, for a refresh that asks it again.
    """

    query_texts: Sequence[str]
    document_texts: Sequence[str]
    query: IntArray
    positive: IntArray
    negative: IntArray
    weight: FloatArray | None = None
    pace: int | None = None
    known: IntArray | None = None
    guides: tuple[Guide, ...] = ()
    mining: Mining | None = None

    @property
    def paced(self) -> int:
        """How many pairs set the number of steps."""
        return len(self.query) if self.pace is None else self.pace

    @cached_property
    def _known_keys(self) -> npt.NDArray[np.int64]:
        assert self.known is not None  # noqa: S101  the caller has asked
        return np.unique(self._keys(self.known[0], self.known[1]))

    def _keys(self, query: IntArray, document: IntArray) -> npt.NDArray[np.int64]:
        return query.astype(np.int64) * len(self.document_texts) + document

    def is_known(self, query: IntArray, document: IntArray) -> BoolArray:
        """Tell which documents (c,), or those of each row (b, c), are known for the queries (b,). Shape (b, c)."""
        if self.known is None or not self.known.size:
            return np.zeros((len(query), document.shape[-1]), dtype=np.bool_)
        asked = self._keys(query[:, None], document)
        place = np.searchsorted(self._known_keys, asked).clip(max=len(self._known_keys) - 1)
        found: BoolArray = np.equal(self._known_keys[place], asked)
        return found


class Feed:
    """Hands out the pairs with the negatives of the epoch that is under way, or those that were put in since.

    A row carries the negatives that it was handed out with, so that what is embedded and
    what is masked agree whenever the batch was fetched. `mined_at` says for each batch
    handed out after how many updates its negatives were chosen.
    """

    def __init__(self, data: TrainingData) -> None:
        self.data = data
        self._epochs = data.negative if data.negative.ndim == _PER_EPOCH else data.negative[None]
        self._epoch = -1
        self._chosen_at = 0
        self.mined_at: list[int] = []
        self.settled = True
        """Whether a batch was handed out since the negatives were replaced; if not, one of before may be under way."""

    @property
    def negatives(self) -> IntArray:
        """The negatives of this epoch. Shape (n, k)."""
        now: IntArray = self._epochs[min(max(self._epoch, 0), len(self._epochs) - 1)]
        return now

    @property
    def epoch(self) -> int:
        """The epoch that is under way, from 0; -1 before the first."""
        return self._epoch

    def next_epoch(self) -> None:
        """Go on to the next epoch."""
        self._epoch += 1

    def go_on_from(self, epoch: int, step: int) -> None:
        """Have the next epoch be this one, counted from 0, after `step` updates."""
        self._epoch = epoch - 1
        del self.mined_at[step:]

    def replace(self, negatives: IntArray, step: int = 0) -> None:
        """Hand out these negatives (n, k), chosen after `step` updates, from now on, in every epoch."""
        self._epochs = negatives[None]
        self._chosen_at = step
        self.settled = False

    def remember(self) -> dict[str, object]:
        """Return the negatives of every epoch and their age, for a checkpoint; the epoch follows from the step."""
        return {"negatives": self._epochs, "chosen_at": self._chosen_at, "mined_at": self.mined_at}

    def recall(self, state: dict[str, Any]) -> None:  # Any: as `remember` wrote it
        """Go back to the negatives of a checkpoint."""
        self._epochs, self._chosen_at = state["negatives"], state["chosen_at"]
        self.mined_at = list(state["mined_at"])

    def rows(self, numbers: Sequence[int]) -> list[Row]:
        """Return one batch of pairs with their texts; padding has an empty text."""
        data, rows = self.data, []
        self.mined_at.append(self._chosen_at)
        self.settled = True
        for number, negatives in zip(numbers, self.negatives[list(numbers)].tolist(), strict=True):
            row: Row = {
                "anchor": data.query_texts[data.query[number]],
                "positive": data.document_texts[data.positive[number]],
            }
            for place, index in enumerate(negatives):
                row[f"negative_{place}"] = "" if index == PADDING else data.document_texts[index]
            rows.append(row | {"label": [number, *negatives]})
        return rows


class QueryFeed(Feed):
    """Hands out queries alone, for a training whose documents are embedded already."""

    def rows(self, numbers: Sequence[int]) -> list[Row]:
        """Return one batch of pairs with the texts of their queries."""
        data = self.data
        return [{"anchor": data.query_texts[data.query[number]], "label": [number]} for number in numbers]
