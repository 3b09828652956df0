"""What is known of a dataset's evaluation queries, kept once per dataset beside the runs of a sweep."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from harness.collection import Collection
from harness.errors import StorageError
from harness.evaluation.leakage import leakage
from harness.sources.kept import load_collection
from harness.spec import Component, Spec
from harness.sums import require_intact, set_aside, write_file_and_sum
from harness.teachers.base import Workspace

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "PARTS",
    "QueriesJob",
    "QueriesRecord",
    "queries_folder",
    "query_table",
    "read_queries",
    "write_queries",
]

COLUMNS = ("split", "query_id", "relevant", "shared", "near", "identical_query", "near_query", "part")
"""Columns of `queries.parquet`: those of `Leakage.frame`, and the part of the split that the query is in."""

PARTS = ("interpolation", "extrapolation")
"""Splits of a resampled collection that divide its test queries."""

_EVALUATED = ("dev", "test")
_FILES = ("queries.json", "queries.parquet")


class QueriesRecord(Spec):
    """What `queries.json` holds: what the table is of, and what it counts against."""

    dataset: str
    collection: str
    threshold: float
    train_queries: int
    train_positives: int
    schema_version: Literal[1] = 1


def query_table(collection: Collection, identity: str) -> "tuple[QueriesRecord, pd.DataFrame]":
    """Describe every dev and test query of a collection; `identity` is that of its dataset."""
    import pandas as pd

    part = _parts(collection)
    frames = []
    for split in _EVALUATED:
        found = leakage(collection, collection, split)
        frame = found.frame()
        frame.insert(0, "split", split)
        frame["part"] = [part.get(query, "") for query in found.query_ids]
        frames.append(frame)
    record = QueriesRecord(
        dataset=identity,
        collection=collection.digest,
        threshold=found.threshold,
        train_queries=found.train_queries,
        train_positives=found.train_positives,
    )
    return record, pd.concat(frames, ignore_index=True)


def _parts(collection: Collection) -> Mapping[str, str]:
    return {collection.query_ids[query]: part for part in PARTS for query in collection.split(part).queries.tolist()}


def write_queries(results: Path, record: QueriesRecord, frame: "pd.DataFrame") -> Path:
    """Write the table of a dataset's queries below `results`, the JSON last: where it is, both are whole."""
    folder = queries_folder(results, record.dataset)
    content = io.BytesIO()
    frame.loc[:, list(COLUMNS)].to_parquet(content, index=False)
    write_file_and_sum(folder / "queries.parquet", content.getvalue())
    return write_file_and_sum(folder / "queries.json", (record.model_dump_json(indent=1) + "\n").encode())


def read_queries(results: Path, identity: str) -> "tuple[QueriesRecord, pd.DataFrame] | None":
    """Read the table of a dataset's queries; None if there is none, StorageError if it is malformed."""
    import pandas as pd

    folder = queries_folder(results, identity)
    if not (folder / "queries.json").exists():
        return None
    for name in _FILES:
        require_intact(folder / name)
    try:
        record = QueriesRecord.model_validate_json((folder / "queries.json").read_text(encoding="utf-8"))
        frame = pd.read_parquet(folder / "queries.parquet")
    except (OSError, ValidationError, ValueError) as error:
        message = f"{folder} does not hold a table of queries: {str(error).splitlines()[0]}"
        raise StorageError(message) from error
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing or record.dataset != identity:
        what = f"lacks the columns {', '.join(missing)}" if missing else f"is of the dataset {record.dataset}"
        message = f"{folder}: the table of queries {what}"
        raise StorageError(message)
    return record, frame


def queries_folder(results: Path, identity: str) -> Path:
    """Return where a sweep keeps what it knows of the queries of a dataset."""
    return results / "queries" / identity[:16]


@dataclass(frozen=True)
class QueriesJob:
    """The job of keeping the table of a dataset's queries in the results folder of a sweep."""

    dataset: Component
    identity: str
    results: Path
    threads: int

    def __call__(self, work: Workspace) -> None:
        """Compute and write the table, unless it is there."""
        if not self.done:
            work.progress(f"comparing queries of {self.dataset.name}", 0, 1)
            write_queries(self.results, *query_table(load_collection(self.dataset, work.store), self.identity))

    @property
    def done(self) -> bool:
        """Tell whether the table is there; set one that is damaged aside."""
        try:
            return read_queries(self.results, self.identity) is not None
        except StorageError as error:
            for name in _FILES:
                path = queries_folder(self.results, self.identity) / name
                if path.exists():
                    set_aside(path, self.results / "damaged", str(error))
            return False
