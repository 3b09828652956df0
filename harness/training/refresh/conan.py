"""Conan's dynamic hard negatives: replace those that have become easy."""

from collections.abc import Sequence
from typing import Annotated, Any, cast

import numpy as np
import numpy.typing as npt
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.mining.base import PADDING
from harness.registry import REFRESHES
from harness.spec import STRICT
from harness.teachers.dense import Embed, Kind
from harness.teachers.rows import Rows, inner_products
from harness.training.data import FloatArray, Mining, TrainingData
from harness.training.refresh.base import IntArray, Moment, Renewal, Renewing

__all__ = ["Conan"]


@REFRESHES.register("conan", paper="Conan-embedding, arXiv:2408.15710, as others describe it")
@dataclass(kw_only=True, config=STRICT)
class Conan(Renewing):
    """Every `every` steps, negatives whose score has fallen give way to deeper candidates of the first pool.

    A negative is easy once `factor` times its score is below the score that it began
    with, and its score lies between -`ceiling` and `ceiling`; scores are the student's
    cosines. At the i-th replacement of a pair with k negatives, its easy ones are replaced
    in turn by the candidates of ranks `skip` + (i - 1) k up to `skip` + i k, counted from 0
    among the eligible; one that the miner refused or the pair already has is passed over,
    and where none is left the easy negative stays. The rule is taken from descriptions by others, not from the paper.
    """

    every: Annotated[int, Interval(ge=1, le=1_000_000)] = 100
    factor: Annotated[float, Interval(ge=1.0, le=100.0)] = 1.15
    ceiling: Annotated[float, Interval(ge=0.0, le=1.0)] = 0.8
    skip: Annotated[int, Interval(ge=0, le=10_000)] = 10

    def begin(self, data: TrainingData, embed: Embed) -> Renewal:
        """Score the first negatives with the untrained model."""
        return _Replacing(self, data, embed)


class _Replacing:
    """Remembers what each negative scored when it came, and how often each pair was served."""

    def __init__(self, rule: Conan, data: TrainingData, embed: Embed) -> None:
        self._rule = rule
        self._data = data
        self._candidates = cast("Mining", data.mining).candidates()
        self._first = _scores(data, embed, data.negative)
        self._turn = np.zeros(len(data.query), dtype=np.int64)

    def __call__(self, now: Moment) -> IntArray:
        """Return the negatives with the easy ones replaced."""
        score = _scores(self._data, now.embed, now.negatives)
        with np.errstate(invalid="ignore"):  # padding has no score
            easy = (self._rule.factor * score < self._first) & (np.abs(score) < self._rule.ceiling)
        negatives = now.negatives.copy()
        for pair in np.flatnonzero(easy.any(axis=1)):
            fresh = self._next(pair, negatives[pair])
            place = np.flatnonzero(easy[pair])[: len(fresh)]
            negatives[pair, place] = fresh[: len(place)]
        new = np.where(negatives != now.negatives, negatives, PADDING)
        self._first = np.where(new == PADDING, self._first, _scores(self._data, now.embed, new))
        return negatives

    def remember(self) -> dict[str, object]:
        """Return the first scores and the turns, for a checkpoint."""
        return {"first": self._first, "turn": self._turn}

    def recall(self, state: dict[str, Any]) -> None:  # Any: as `remember` wrote it
        """Go back to a checkpoint."""
        self._first, self._turn = state["first"], state["turn"]

    def _next(self, pair: np.int64, held: IntArray) -> IntArray:
        """Return the candidates of the pair's next window that it does not have."""
        start = self._rule.skip + int(self._turn[pair]) * len(held)
        self._turn[pair] += 1
        window = self._candidates[pair, start : start + len(held)]
        fresh: IntArray = window[(window != PADDING) & ~np.isin(window, held)]
        return fresh


def _scores(data: TrainingData, embed: Embed, negatives: IntArray) -> FloatArray:
    """Return the cosine of each pair's query and its negatives, NaN for padding. Shape (n, k)."""
    row, column = np.nonzero(negatives != PADDING)
    score = np.full(negatives.shape, np.nan, dtype=np.float32)
    if row.size:
        query, left = _embedded(embed, "query", data.query_texts, data.query[row])
        document, right = _embedded(embed, "document", data.document_texts, negatives[row, column])
        score[row, column] = inner_products(query, document, left, right)
    return score


def _embedded(embed: Embed, kind: Kind, texts: Sequence[str], index: IntArray) -> tuple[Rows, npt.NDArray[np.int64]]:
    """Embed each text once; return the vectors, and where those of `index` (m,) stand among them."""
    distinct, place = np.unique(index, return_inverse=True)
    return Rows(embed([texts[number] for number in distinct], kind)), place
