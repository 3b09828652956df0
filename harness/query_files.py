"""What evaluation queries are about: their judgements and texts, kept once per dataset beside the table of queries."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.collection import Collection
from harness.errors import StorageError
from harness.evaluation.model import SPLITS
from harness.evaluation.sets import set_names, split_label
from harness.fingerprint import digest
from harness.query_table import queries_folder
from harness.sources.kept import load_collection
from harness.spec import Component, RunSpec
from harness.sums import require_intact, set_aside, write_file_and_sum
from harness.teachers.base import Workspace

__all__ = ["JUDGEMENT_COLUMNS", "LONGEST_TEXT", "TEXT_COLUMNS", "JudgementsJob", "TextsJob"]

JUDGEMENT_COLUMNS = ("split", "query_id", "document_id", "relevance")
"""Columns of `qrels.parquet`: every judgement of the evaluated splits, those of further sets as `test@name`."""

TEXT_COLUMNS = ("kind", "id", "text")
"""Columns of `texts.parquet`; `kind` is `query` or `document`."""

LONGEST_TEXT = 600
"""Characters after which a text is cut; the last of them is then an ellipsis."""

_SHOWN = 3
"""How many of the documents that a run ranks first are kept with their text."""

_KEY = b"winnow.key"


@dataclass(frozen=True)
class JudgementsJob:
    """The job of keeping the judgements that the runs of `spec`'s dataset are evaluated by."""

    spec: RunSpec
    results: Path
    threads: int

    @property
    def done(self) -> bool:
        """Tell whether the judgements of the same sets are there."""
        return _is_current(self._path, self._key)

    @property
    def _path(self) -> Path:
        return queries_folder(self.results, self.spec.identities["dataset"]) / "qrels.parquet"

    @property
    def _key(self) -> str:
        names = set_names(self.spec.evaluate)
        identities = [self.spec.identities[f"evaluate[{place}]"] for place in range(len(names))]
        return digest([self.spec.identities["dataset"], names, identities])

    def __call__(self, work: Workspace) -> None:
        """Write `qrels.parquet`, unless it is there and of the same sets."""
        if not self.done:
            judgements = self._judgements(set_names(self.spec.evaluate), work)
            _write(self._path, JUDGEMENT_COLUMNS, judgements, self._key)

    def _judgements(self, names: list[str], work: Workspace) -> Iterator[tuple[str, str, str, int]]:
        yield from _judged(load_collection(self.spec.dataset, work.store), "")
        for name, dataset in sorted(zip(names, self.spec.evaluate, strict=True), key=lambda each: each[0]):
            yield from _judged(load_collection(dataset, work.store), name)


def _judged(collection: Collection, name: str) -> Iterator[tuple[str, str, str, int]]:
    for split in SPLITS:
        rows = collection.split(split)
        label = split_label(split, name) if name else split
        for query, document, grade in zip(rows.query, rows.document, rows.grade, strict=True):
            yield label, collection.query_ids[query], collection.document_ids[document], int(grade)


@dataclass(frozen=True)
class TextsJob:
    """The job of keeping the texts that somebody who reads of a dataset's test queries will ask for.

    They are the texts of the test queries, of the documents judged relevant, and of the
    documents that any of the finished runs `ranked` puts among its first three.
    """

    dataset: Component
    identity: str
    ranked: tuple[str, ...]
    results: Path
    threads: int

    @property
    def done(self) -> bool:
        """Tell whether the texts of just these runs are there."""
        return _is_current(self._path, self._key)

    @property
    def _path(self) -> Path:
        return queries_folder(self.results, self.identity) / "texts.parquet"

    @property
    def _key(self) -> str:
        return digest([self.identity, *self.ranked])

    def __call__(self, work: Workspace) -> None:
        """Write `texts.parquet`."""
        work.progress(f"keeping texts of {self.dataset.name}", 0, 1)
        first = {name for run in self.ranked for name in _ranked_first(self.results / "runs" / run)}
        _write(self._path, TEXT_COLUMNS, _texts(load_collection(self.dataset, work.store), first), self._key)


def _ranked_first(run: Path) -> list[str]:
    import pyarrow.parquet as pq

    filters = [("split", "==", "test"), ("rank", "<=", _SHOWN)]
    found: list[str] = pq.read_table(run / "rankings.parquet", columns=["document_id"], filters=filters)[0].to_pylist()
    return found


def _texts(collection: Collection, first: set[str]) -> Iterator[tuple[str, str, str]]:
    """Yield test queries, then documents, each in the order of the collection."""
    rows = collection.split("test")
    for query in rows.queries:
        yield "query", collection.query_ids[query], _cut(collection.query_texts[query])
    relevant = set(rows.document[rows.grade > 0].tolist())
    for index, (name, text) in enumerate(zip(collection.document_ids, collection.document_texts, strict=True)):
        if index in relevant or name in first:
            yield "document", name, _cut(text)


def _cut(text: str) -> str:
    # half a surrogate pair, which JSON can hold, has no place in parquet
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return whole if len(whole) <= LONGEST_TEXT else whole[: LONGEST_TEXT - 1] + "…"


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[str | int, ...]], key: str) -> None:
    """Write rows as parquet with the digest of all that they depend on, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.int32() if name == "relevance" else pa.string()) for name in columns])
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    table = pa.table([pa.array(column, kind) for column, kind in zip(values, schema.types, strict=True)], schema=schema)
    content = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({_KEY: key}), content, compression="zstd")
    write_file_and_sum(path, content.getvalue())


def _is_current(path: Path, key: str) -> bool:
    """Tell whether a table is there that was written under `key`; set one that is damaged aside."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return False
    try:
        require_intact(path)
        metadata = pq.read_schema(path).metadata
    except (OSError, pa.ArrowInvalid, StorageError) as error:
        set_aside(path, path.parents[2] / "damaged", str(error))
        return False
    return bool(metadata) and metadata.get(_KEY) == key.encode()
