"""Means over parts of the test queries: leaked and clean ones, interpolating and extrapolating ones."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.fingerprint import canonical
from harness.query_table import PARTS, QueriesRecord, read_queries
from harness.reporting.comparisons import SEED
from harness.reporting.numbers import Value
from harness.reporting.results import Cell, Results
from harness.stats import Interval, mean_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PartRow", "PartTable", "part_numbers", "part_tables"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_WHICH = ("fold", "side")
"""Parameters by which the datasets that resample one collection differ."""


@dataclass(frozen=True)
class PartRow:
    """The means of one arm, one per part of its table; None where a part has no query or a run is missing."""

    arm: str
    scores: tuple[Interval | None, ...]


@dataclass(frozen=True)
class PartTable:
    """Arms by parts of the test queries, sorted by the first part, best first.

    `queries` counts the distinct queries of each part; `note` says how they were divided.
    """

    kind: str
    dataset: str
    parts: tuple[str, ...]
    queries: tuple[int, ...]
    note: str
    rows: tuple[PartRow, ...]


@dataclass(frozen=True)
class _Known:
    """A dataset of which a table of queries is there."""

    name: str
    key: str
    record: QueriesRecord
    test: "pd.DataFrame"


def part_tables(results: Results) -> tuple[PartTable, ...]:
    """Return the tables that the results allow: none where no table of queries was kept.

    Raises StorageError for a malformed table of queries, DataError for one that lacks a
    query of a run.
    """
    known = [each for name in results.datasets if (each := _known(results, name)) is not None]
    tables = [_by_leak(results, each) for each in known]
    groups: dict[str, list[_Known]] = {}
    for each in known:
        if (each.test["part"] != "").any():
            groups.setdefault(each.key, []).append(each)
    return (*tables, *(_by_nearness(results, group) for group in groups.values()))


def _known(results: Results, name: str) -> _Known | None:
    run = next((run for cell in results.on(name) for run in cell.runs), None)
    folder = results.home(run.fingerprint) if run is not None else None
    found = read_queries(folder, run.spec.identities.get("dataset", "")) if run is not None and folder else None
    if run is None or found is None:
        return None
    record, frame = found
    test = frame[frame["split"] == "test"].set_index("query_id")
    queries = next(cell.queries for cell in results.on(name) if cell.runs)
    if missing := set(queries) - set(test.index):
        message = f"{folder}: the table of queries of {name} lacks {len(missing)} test queries, one is {min(missing)!r}"
        raise DataError(message)
    params = {key: value for key, value in run.spec.dataset.params.items() if key not in _WHICH}
    return _Known(name, canonical([run.spec.dataset.name, params]), record, test.loc[list(queries)])


def _by_leak(results: Results, known: _Known) -> PartTable:
    """Divide the test queries of a dataset into leaked and clean ones."""
    kinds = {
        "a relevant document that is a train positive": known.test["shared"] > 0,
        "one near-identical to a train positive": known.test["near"] > 0,
        "the text of a train query": known.test["identical_query"],
        "a text near-identical to one": known.test["near_query"],
    }
    leaked = np.asarray((known.test["near"] > 0) | known.test["near_query"], dtype=np.bool_)
    parts = {"all": np.ones_like(leaked), "leaked": leaked, "clean": ~leaked}
    counts = ", ".join(f"{int(marks.sum()):,} have {what}" for what, marks in kinds.items())
    note = (
        f"Leaked queries share something with training: of {len(leaked):,} test queries {counts}. "
        f"Near-identical: Jaccard similarity of words at least {known.record.threshold:g}."
    )
    rows = [
        PartRow(cell.arm.name, tuple(_mean(cell.scores[part].mean(axis=1)) for part in parts.values()))
        for cell in results.on(known.name)
        if cell.runs
    ]
    return _table("leakage", known.name, {name: int(part.sum()) for name, part in parts.items()}, note, rows)


def _by_nearness(results: Results, group: list[_Known]) -> PartTable:
    """Average over queries, in the datasets where they interpolate and in those where they extrapolate."""
    rows = []
    for arm in results.plan.arms:
        cells = [results.cells.get((arm.name, known.name)) for known in group]
        done = [cell for cell in cells if cell is not None and cell.runs]
        if len(done) == len(group):
            rows.append(PartRow(arm.name, _intervals(group, done)))
    queries = {
        part: len({query for known in group for query in known.test.index[known.test["part"] == part]})
        for part in PARTS
    }
    both = len(set.intersection(*({*_of(group, part)} for part in PARTS)))
    names = ", ".join(known.name for known in group)
    note = (
        f"From {names}. Each query counts once in each part, with its mean over the datasets where it is in it; "
        "the difference is over the queries that are in both."
    )
    counted = {**queries, "extrapolation less interpolation": both}
    name = group[0].name if len(group) == 1 else f"{group[0].name} to {group[-1].name}"
    return _table("nearness", name, counted, note, rows)


def _of(group: list[_Known], part: str) -> Iterable[str]:
    return (str(query) for known in group for query in known.test.index[known.test["part"] == part])


def _intervals(group: list[_Known], cells: list[Cell]) -> tuple[Interval | None, ...]:
    """Return an arm's means over interpolating and extrapolating queries, and of their difference."""
    near, far = (_scores(group, cells, part) for part in PARTS)
    common = sorted(near.keys() & far.keys())
    differences = np.array([far[query] - near[query] for query in common])
    return (_mean(np.array(list(near.values()))), _mean(np.array(list(far.values()))), _mean(differences))


def _scores(group: list[_Known], cells: list[Cell], part: str) -> dict[str, float]:
    """Return the mean score of each query over seeds and the datasets where it is in `part`, sorted by query."""
    found: dict[str, list[float]] = {}
    for known, cell in zip(group, cells, strict=True):
        means = cell.scores.mean(axis=1)
        for row in np.flatnonzero(known.test["part"] == part).tolist():
            found.setdefault(cell.queries[row], []).append(float(means[row]))
    return {query: float(np.mean(values)) for query, values in sorted(found.items())}


def _mean(values: FloatArray) -> Interval | None:
    return mean_interval(values, seed=SEED) if len(values) else None


def _table(kind: str, dataset: str, queries: dict[str, int], note: str, rows: list[PartRow]) -> PartTable:
    def key(row: PartRow) -> float:
        first = row.scores[0]
        return float("inf") if first is None else -first.mean

    return PartTable(kind, dataset, tuple(queries), tuple(queries.values()), note, tuple(sorted(rows, key=key)))


def part_numbers(results: Results) -> list[dict[str, Value]]:
    """Return one row per table, arm and part."""
    return [
        {
            "table": table.kind,
            "dataset": table.dataset,
            "arm": row.arm,
            "part": part,
            "queries": count,
            "mean": None if score is None else score.mean,
            "low": None if score is None else score.low,
            "high": None if score is None else score.high,
        }
        for table in part_tables(results)
        for row in table.rows
        for part, count, score in zip(table.parts, table.queries, row.scores, strict=True)
    ]
