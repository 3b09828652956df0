"""The queries that one arm gained and lost most against another, with what both ranked first; plain data."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.reporting.comparisons import paired
from harness.reporting.plots.kept_tables import read_table
from harness.reporting.results import Cell, Results

__all__ = ["Case", "Document", "Extremes", "Ranked", "extremes"]

_FIRST = 3
_TIE = 1e-9


@dataclass(frozen=True)
class Document:
    """A document by id, with its text if that was kept."""

    id: str
    text: str | None


@dataclass(frozen=True)
class Ranked:
    """A document at its rank, from 1; `relevant` is None where no judgements were kept."""

    rank: int
    document: Document
    relevant: bool | None


@dataclass(frozen=True)
class Case:
    """One query: its text if that was kept, the score of either arm (mean over common seeds), its positives.

    `first_a` and `first_b` are the three highest-ranked documents by either arm; empty
    where no rankings were kept.
    """

    query: str
    text: str | None
    a_score: float
    b_score: float
    positives: tuple[Document, ...]
    first_a: tuple[Ranked, ...]
    first_b: tuple[Ranked, ...]


@dataclass(frozen=True)
class Extremes:
    """The queries on one dataset on which `a` is furthest above `b`, and furthest below, most extreme first.

    `seed` is the one whose rankings are shown, None where they are of different seeds.
    """

    dataset: str
    a: str
    b: str
    seed: int | None
    gained: tuple[Case, ...]
    lost: tuple[Case, ...]


@dataclass(frozen=True)
class _Kept:
    """What was kept of a dataset's queries: positives by query (None without judgements), texts by kind and id."""

    positives: Mapping[str, tuple[str, ...]] | None
    texts: Mapping[tuple[str, str], str]

    def document(self, name: str) -> Document:
        return Document(name, self.texts.get(("document", name)))

    def ranked(self, query: str, names: tuple[str, ...]) -> tuple[Ranked, ...]:
        relevant = None if self.positives is None else set(self.positives.get(query, ()))
        return tuple(
            Ranked(rank, self.document(name), None if relevant is None else name in relevant)
            for rank, name in enumerate(names, 1)
        )


def extremes(results: Results, a: str, b: str, n: int = 10) -> tuple[Extremes, ...]:
    """Return at most `n` gains and losses of arm `a` against arm `b` on every dataset that both have runs on.

    Ties are in neither list; equal differences stand in the order of query ids. Raises
    StorageError for a malformed table.
    """
    found = []
    for dataset in results.datasets:
        cell, other = results.cells.get((a, dataset)), results.cells.get((b, dataset))
        pair = paired(cell, other) if cell is not None and other is not None else None
        if cell is not None and other is not None and pair is not None:
            left, right = (scores.mean(axis=1) for scores in pair)
            gained, lost = _largest(left - right, n), _largest(right - left, n)
            case = _Cases(results, cell, other, left.tolist(), right.tolist()).case
            found.append(
                Extremes(dataset, a, b, _seeds(cell, other)[2], tuple(map(case, gained)), tuple(map(case, lost)))
            )
    return tuple(found)


def _largest(apart: npt.NDArray[np.float64], n: int) -> list[int]:
    """Return where the largest positive entries of `apart` (m,) are, at most `n`, ties in their order."""
    order = np.argsort(-apart, kind="stable")
    places: list[int] = order[apart[order] > _TIE][:n].tolist()
    return places


def _seeds(cell: Cell, other: Cell) -> tuple[int, int, int | None]:
    """Return which seed's rankings are shown of either arm: the first common one, else the first of each."""
    common = [seed for seed in cell.seeds if seed in other.seeds]
    if common:
        return common[0], common[0], common[0]
    return cell.seeds[0], other.seeds[0], None


class _Cases:
    """Looks up what was kept of the queries that two arms have in common."""

    def __init__(self, results: Results, cell: Cell, other: Cell, left: list[float], right: list[float]) -> None:
        seed, other_seed, _ = _seeds(cell, other)
        self._queries = cell.queries
        self._left, self._right = left, right
        self._kept = _kept(results, cell)
        self._first = [_rankings(results, cell, seed), _rankings(results, other, other_seed)]

    def case(self, place: int) -> Case:
        query, kept = self._queries[place], self._kept
        first = [kept.ranked(query, ranking.get(query, ())) for ranking in self._first]
        positives = () if kept.positives is None else kept.positives.get(query, ())
        text = kept.texts.get(("query", query))
        documents = tuple(map(kept.document, positives))
        return Case(query, text, self._left[place], self._right[place], documents, first[0], first[1])


def _kept(results: Results, cell: Cell) -> _Kept:
    home = results.home(cell.runs[0].fingerprint)
    queries = home / "queries" / cell.runs[0].spec.identities.get("dataset", "")[:16]
    judged = read_table(queries / "qrels.parquet", ("split", "query_id", "document_id", "relevance"))
    kept = read_table(queries / "texts.parquet", ("kind", "id", "text"))
    positives: dict[str, tuple[str, ...]] | None = None
    if judged is not None:
        relevant = judged[(judged["split"] == "test") & (judged["relevance"] > 0)]
        positives = {
            str(query): tuple(map(str, names))
            for query, names in relevant.groupby("query_id", observed=True)["document_id"]
        }
    texts = (
        {}
        if kept is None
        else {
            (str(kind), str(name)): str(words)
            for kind, name, words in zip(kept["kind"], kept["id"], kept["text"], strict=True)
        }
    )
    return _Kept(positives, texts)


def _rankings(results: Results, cell: Cell, seed: int) -> dict[str, tuple[str, ...]]:
    """Return the three first documents of each test query; nothing where rankings were not kept."""
    run = cell.runs[cell.seeds.index(seed)]
    path = results.folder(run) / "rankings.parquet"
    frame = read_table(path, ("split", "query_id", "rank", "document_id"))
    if frame is None:
        return {}
    first = frame[(frame["split"] == "test") & (frame["rank"] <= _FIRST)].sort_values("rank", kind="stable")
    return {
        str(query): tuple(map(str, names)) for query, names in first.groupby("query_id", observed=True)["document_id"]
    }
