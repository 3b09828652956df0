"""The long tables of a run, its rankings and mined negatives: arrays until they are written, a part at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from harness.mining.base import PADDING, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "NEGATIVE_COLUMNS",
    "RANKING_COLUMNS",
    "LongTables",
    "MinedNegatives",
    "Ranking",
    "write_negatives",
    "write_rankings",
]

RANKING_COLUMNS = ("split", "query_id", "rank", "document_id", "score")
"""Columns of `rankings.parquet`: one row per document among the first of an evaluated query; ranks count from 1."""

NEGATIVE_COLUMNS = ("query_id", "positive_id", "positive_score", "place", "document_id", "score", "hidden")
"""Columns of `negatives.parquet`: one row per negative of a training pair; places count from 1.

Scores are the mining's teacher's, NaN where it has none.
"""

_ROWS = 1 << 18
"""Cells of a table that are turned into rows at once: what bounds the memory that writing takes."""


@dataclass(frozen=True)
class Ranking:
    """The first documents of the queries of one split, as they were evaluated.

    `document` (n, m) holds indices into `document_ids`, best first, PADDING behind the
    last; `score` (n, m) what they were ranked by; row i belongs to `query_ids[i]`.
    """

    split: str
    query_ids: tuple[str, ...]
    document_ids: tuple[str, ...]
    document: IntArray
    score: FloatArray


@dataclass(frozen=True)
class MinedNegatives:
    """The negatives that a training begins with, in the terms of the teacher that mined them.

    `query` and `positive` (n,) index into `query_ids` and `document_ids`, `document`
    (n, k) into the latter, PADDING where there is none. `positive_score` (n,) and
    `score` (n, k) are NaN where the teacher has no score; `hidden` (n, k) marks hidden
    positives.
    """

    query_ids: tuple[str, ...]
    document_ids: tuple[str, ...]
    query: IntArray
    positive: IntArray
    positive_score: FloatArray
    document: IntArray
    score: FloatArray
    hidden: BoolArray


class LongTables(NamedTuple):
    """What a run ranked and mined; nothing where it did not."""

    rankings: tuple[Ranking, ...] = ()
    negatives: MinedNegatives | None = None


def write_rankings(path: Path, rankings: Iterable[Ranking]) -> None:
    """Write `rankings.parquet`: splits in alphabetical order, queries in that of their evaluation, best first."""
    import pyarrow as pa

    kinds = (pa.string(), pa.string(), pa.int32(), pa.string(), pa.float32())
    parts = (part for each in sorted(rankings, key=lambda each: each.split) for part in _ranking_parts(each))
    _write(path, pa.schema(zip(RANKING_COLUMNS, kinds, strict=True)), parts)


def write_negatives(path: Path, negatives: MinedNegatives) -> None:
    """Write `negatives.parquet`: pairs in the order in which they are trained on, each by place."""
    import pyarrow as pa

    kinds = (pa.string(), pa.string(), pa.float32(), pa.int32(), pa.string(), pa.float32(), pa.bool_())
    _write(path, pa.schema(zip(NEGATIVE_COLUMNS, kinds, strict=True)), _negative_parts(negatives))


def _ranking_parts(ranking: Ranking) -> "Iterator[list[pa.Array]]":
    import pyarrow as pa

    for part in _parts(ranking.document):
        document, score = ranking.document[part], ranking.score[part]
        row, column = np.nonzero(np.not_equal(document, PADDING))
        yield [
            pa.repeat(ranking.split, len(row)),
            _named(ranking.query_ids, np.arange(part.start, part.stop)[row]),
            pa.array((column + 1).astype(np.int32)),
            _named(ranking.document_ids, document[row, column]),
            pa.array(score[row, column]),
        ]


def _negative_parts(mined: MinedNegatives) -> "Iterator[list[pa.Array]]":
    import pyarrow as pa

    for part in _parts(mined.document):
        row, column = np.nonzero(np.not_equal(mined.document[part], PADDING))
        row += part.start
        yield [
            _named(mined.query_ids, mined.query[row]),
            _named(mined.document_ids, mined.positive[row]),
            pa.array(mined.positive_score[row]),
            pa.array((column + 1).astype(np.int32)),
            _named(mined.document_ids, mined.document[row, column]),
            pa.array(mined.score[row, column]),
            pa.array(mined.hidden[row, column]),
        ]


def _parts(table: IntArray) -> Iterator[slice]:
    """Cut the rows of a table (n, m) into slices of at most `_ROWS` cells."""
    step = max(1, _ROWS // max(1, table.shape[1]))
    for start in range(0, len(table), step):
        yield slice(start, min(start + step, len(table)))


def _named(ids: tuple[str, ...], index: npt.NDArray[np.integer]) -> "pa.Array":
    """Return the ids at `index` (n,); each distinct one is turned into Arrow's text once."""
    import pyarrow as pa

    distinct, place = np.unique(index, return_inverse=True)
    return pa.array([ids[each] for each in distinct], pa.string()).take(pa.array(place))


def _write(path: Path, schema: "pa.Schema", parts: "Iterable[list[pa.Array]]") -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # a dictionary of scores, nearly all distinct, makes the file larger by half
    scores = {field.name: "BYTE_STREAM_SPLIT" for field in schema if pa.types.is_floating(field.type)}
    repeating = [name for name in schema.names if name not in scores]
    packing = {"compression": "zstd", "compression_level": 9, "use_dictionary": repeating, "column_encoding": scores}
    with pq.ParquetWriter(path, schema, **packing) as writer:
        for part in parts:
            writer.write_table(pa.Table.from_arrays(part, schema=schema))
