"""Ensembles as teachers: the mean of several teachers' scores, made comparable query by query."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Interval, MinLen
from pydantic.dataclasses import dataclass

from harness.collection import Collection, IntArray
from harness.fingerprint import digest
from harness.mining.base import PADDING
from harness.mining.consensus import Normalisation
from harness.registry import TEACHERS
from harness.spec import STRICT, Component
from harness.teachers.base import Candidates, Workspace, teacher_of
from harness.teachers.search import id_order, reordered

__all__ = ["Ensemble"]

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
_UNION = 1
"""Raised when the same teachers would give another union."""


@TEACHERS.register("ensemble", paper="arXiv:2407.15831; normalisation before averaging")
@dataclass(kw_only=True, config=STRICT)
class Ensemble:
    """Score by the mean of several teachers' scores, each normalised over the query's candidates.

    Candidates are the `candidates` best documents of every teacher; each teacher scores
    all of them, so that none is judged by its absence from a list. Per query and
    teacher, over the candidates:

    - `rank`: the share of candidates that score no higher;
    - `min_max`: 0 for the lowest, 1 for the highest, all 0 where they are equal;
    - `z_score`: standard deviations from the mean, all 0 where they are equal.

    A document that is no candidate is placed on the same scales, and may leave [0, 1].
    `mining.consensus.merged` is the cheaper cousin that reads finished pools and has to
    guess what a list does not hold.
    """

    teachers: Annotated[tuple[Component, ...], MinLen(2)]
    normalisation: Normalisation = "min_max"
    candidates: Annotated[int, Interval(ge=1, le=10_000)] = 100

    def __post_init__(self) -> None:
        """Ask for teachers that exist."""
        for component in self.teachers:
            teacher_of(component)

    def identity(self) -> str:
        """Return a digest of the teachers, in order, normalisation and number of candidates."""
        return digest(["ensemble", self._teachers_identity(), self.normalisation])

    def search(self, collection: Collection, queries: IntArray, depth: int, work: Workspace) -> Candidates:
        """Return the `depth` best candidates for each query; ties by document id.

        There are no more than `candidates` times the number of teachers.
        """
        union, scores = self._union(collection, queries, work)
        listed = union != PADDING
        mean = np.mean([self._scale(each, listed)(each) for each in scores], axis=0)
        score = np.where(listed, mean, -np.inf).astype(np.float32)
        best = reordered(union, score, id_order(collection.document_ids))
        room = ((0, 0), (0, max(0, depth - union.shape[1])))
        return Candidates(
            document=np.pad(best.document[:, :depth], room, constant_values=PADDING),
            score=np.pad(best.score[:, :depth], room, constant_values=-np.inf),
        )

    def score(self, collection: Collection, queries: IntArray, documents: IntArray, work: Workspace) -> FloatArray:
        """Score pairs of query and document indices on the scales of the queries' candidates. Shape (n,)."""
        distinct, row = np.unique(queries, return_inverse=True)
        union, scores = self._union(collection, distinct.astype(np.int32), work)
        listed = (union != PADDING)[row]
        mean = np.zeros(len(queries))
        for component, each in zip(self.teachers, scores, strict=True):
            own = teacher_of(component).score(collection, queries, documents, work).astype(np.float64)
            mean += self._scale(each[row], listed)(own[:, None])[:, 0] / len(scores)
        return mean.astype(np.float32)

    def _scale(self, score: DoubleArray, listed: npt.NDArray[np.bool_]) -> Callable[[DoubleArray], DoubleArray]:
        """Return what maps scores (q, m) to the scale of the candidates' scores (q, u)."""
        count = np.maximum(1, listed.sum(axis=1, keepdims=True))
        if self.normalisation == "rank":
            ordered = np.sort(np.where(listed, score, np.inf), axis=1)
            return lambda own: _not_above(ordered, own) / count
        low = np.where(listed, score, np.inf).min(axis=1, keepdims=True, initial=np.inf)
        high = np.where(listed, score, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
        shift, width = low, high - low
        if self.normalisation == "z_score":
            shift = np.where(listed, score, 0.0).sum(axis=1, keepdims=True) / count
            deviation = np.where(listed, score - shift, 0.0)
            width = np.sqrt(np.square(deviation).sum(axis=1, keepdims=True) / count)
        flat = ~(high > low)  # also where there is no candidate at all
        shift, width = np.where(flat, 0.0, shift), np.where(flat, np.inf, width)
        return lambda own: (own - shift) / width

    def _union(self, collection: Collection, queries: IntArray, work: Workspace) -> tuple[IntArray, DoubleArray]:
        """Return every query's candidates (q, u) and all teachers' scores of them (t, q, u), from the store."""
        names = [collection.query_ids[query] for query in queries]
        key = digest([_UNION, self._teachers_identity(), collection.digest, names], 32)

        def build(folder: Path) -> None:
            union = self._gathered(collection, queries, work)
            row, column = np.nonzero(union != PADDING)
            scores = np.zeros((len(self.teachers), *union.shape), dtype=np.float32)
            for number, component in enumerate(self.teachers):
                pairs = (queries[row], union[row, column])
                scores[number, row, column] = teacher_of(component).score(collection, *pairs, work)
            np.save(folder / "union.npy", union)
            np.save(folder / "scores.npy", scores)

        folder = work.store.fetch("union", key, build)
        union, scores = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("union", "scores"))
        return union, scores.astype(np.float64)

    def _gathered(self, collection: Collection, queries: IntArray, work: Workspace) -> IntArray:
        """Return the distinct documents that any teacher finds for each query, PADDING behind. Shape (q, u)."""
        found = [teacher_of(each).search(collection, queries, self.candidates, work).document for each in self.teachers]
        rows = [np.setdiff1d(row, [PADDING]) for row in np.concatenate(found, axis=1)]
        union = np.full((len(queries), max((len(row) for row in rows), default=0)), PADDING, dtype=np.int32)
        for line, row in zip(union, rows, strict=True):
            line[: len(row)] = row
        return union

    def _teachers_identity(self) -> str:
        return digest([self.candidates, *(teacher_of(component).identity() for component in self.teachers)])


def _not_above(ordered: DoubleArray, own: DoubleArray) -> DoubleArray:
    """Count in each row of `ordered` (q, u), ascending, what is not above each of `own` (q, m). Shape (q, m)."""
    lines = zip(ordered, own, strict=True)
    return np.array([np.searchsorted(line, value, side="right") for line, value in lines], dtype=np.float64)
