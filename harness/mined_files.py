"""Mined negatives as rows of a file that a trainer loads, with a description beside it."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from harness import __version__
from harness.errors import ConfigError, storage_error
from harness.fingerprint import file_digest
from harness.mined import Mined
from harness.mining.base import PADDING
from harness.registry import TEACHERS
from harness.teachers.base import Teacher

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SUFFIXES", "Format", "Written", "describe", "left_out", "records", "refusal", "rows", "write_mined"]

Format = Literal["records", "triplet", "n-tuple", "labeled-list"]
Row = dict[str, object]

SUFFIXES = (".parquet", ".jsonl")
_BATCH = 4096


@dataclass(frozen=True)
class Written:
    """A file of negatives: how many rows it has, and how many pairs its format had no place for."""

    path: Path
    description: Path
    form: Format
    rows: int
    left_out: int


def refusal(path: Path, *, force: bool) -> str | None:
    """Say why a file may not be written, or None if it may."""
    if path.suffix not in SUFFIXES:
        return f"must end in {' or '.join(SUFFIXES)}, got {str(path)!r}"
    if path.is_dir():
        return f"{path} is a folder"
    if path.exists() and not force:
        return f"{path} is there already; --force (force=True) overwrites it"
    return None


def write_mined(mined: Mined, path: Path, form: Format, *, force: bool = False) -> Written:
    """Write negatives and, beside them, `<path>.meta.json`; each file is there in full or not at all."""
    if reason := refusal(path, force=force):
        raise ConfigError(f"the output {reason}")
    description = path.with_name(f"{path.name}.meta.json")
    write = _write_parquet if path.suffix == ".parquet" else _write_jsonl
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        description.unlink(missing_ok=True)
        _replaced(path, partial(write, mined, form))
        content = {**describe(mined, form), "sha256": file_digest(path)}
        text = json.dumps(content, indent=1) + "\n"
        _replaced(description, lambda draft: draft.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise storage_error(error, path) from error
    return Written(path, description, form, cast("int", content["rows"]), left_out(mined, form))


def left_out(mined: Mined, form: Format) -> int:
    """Count the pairs that are trained on but have too few negatives for a format."""
    return int((mined.trained & ~_fits(mined, form)).sum())


def describe(mined: Mined, form: Format) -> dict[str, JsonValue]:
    """Return what the negatives depend on, and what became of the pairs; the same for the same negatives."""
    source, written = mined.source, mined.trained & _fits(mined, form)
    teacher = cast("Teacher", TEACHERS.create(source.teacher.name, source.teacher.params))
    negatives = int(mined.negatives.filled[written].sum())
    return {
        "winnow": __version__,
        "format": form,
        "data": {"name": source.collection.name, "split": source.split, "digest": source.collection.digest},
        "teacher": {"label": mined.teacher_label, "identity": teacher.identity()},
        "miner": {"label": mined.miner_label, "name": mined.spec.miner.name, "params": mined.spec.miner.params},
        "depth": source.depth,
        "on_shortage": mined.spec.on_shortage,
        "seed": mined.seed,
        "yield": mined.yields.model_dump(),
        "pairs_left_out_by_format": left_out(mined, form),
        "removed": {rule: int(mask.sum()) for rule, mask in mined.rules.items()},
        "contamination": mined.audit.contamination if mined.hides else None,
        "hardness": mined.audit.hardness,
        "rows": negatives if form == "triplet" else int(written.sum()),
        "negatives": negatives,
    }


def rows(mined: Mined, form: Format) -> Iterator[Row]:
    """Yield the rows of a format, in the order of the pool; pairs that the shortage policy drops have none."""
    if form == "records":
        yield from records(mined)
        return
    texts = mined.source.collection.document_texts
    pool, queries = mined.source.pool, mined.source.collection.query_texts
    for index in np.flatnonzero(mined.trained & _fits(mined, form)).tolist():
        pair: Row = {"anchor": queries[pool.query[index]], "positive": texts[pool.positive_document[index]]}
        negatives = [texts[each] for each in mined.negatives.document[index].tolist() if each != PADDING]
        if form == "triplet":
            yield from ({**pair, "negative": negative} for negative in negatives)
        elif form == "n-tuple":
            yield {**pair, **{f"negative_{place}": text for place, text in enumerate(negatives, 1)}}
        else:
            labels = [1, *[0] * len(negatives)]
            yield {"anchor": pair["anchor"], "documents": [pair["positive"], *negatives], "labels": labels}


def records(mined: Mined) -> Iterator[Row]:
    """Yield ids, scores and ranks of each pair; None stands where there is no negative, score or rank.

    Ranks count from 0 in the teacher's list, the query's positives included; a negative
    from outside the list has none.
    """
    pool, negatives, collection = mined.source.pool, mined.negatives, mined.source.collection
    counts = {rule: mask.sum(axis=1).tolist() for rule, mask in mined.rules.items()}
    for index in np.flatnonzero(mined.trained).tolist():
        chosen = negatives.document[index].tolist()
        yield {
            "query_id": collection.query_ids[pool.query[index]],
            "positive_id": collection.document_ids[pool.positive_document[index]],
            "positive_score": _plain(pool.positive[index]),
            "negative_ids": [None if each == PADDING else collection.document_ids[each] for each in chosen],
            "negative_scores": [_plain(score) for score in negatives.score[index]],
            "negative_ranks": [None if rank < 0 else rank for rank in negatives.rank[index].tolist()],
            "mined": int(mined.mined[index]),
            "backfilled": int(mined.backfilled[index]),
            "removed": {rule: count[index] for rule, count in counts.items()},
        }


def _fits(mined: Mined, form: Format) -> npt.NDArray[np.bool_]:
    """Tell which pairs have negatives enough for a format. Shape (n,)."""
    k = mined.negatives.document.shape[1]
    needed = {"records": 0, "triplet": 1, "n-tuple": k, "labeled-list": 1}[form]
    enough: npt.NDArray[np.bool_] = mined.negatives.filled.sum(axis=1) >= needed
    return enough


def _plain(score: np.float32) -> float | None:
    """Return the shortest decimal that is this float32, or None for NaN."""
    return None if np.isnan(score) else float(str(score))


def _replaced(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then put it there in one step."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _write_jsonl(mined: Mined, form: Format, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows(mined, form):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_parquet(mined: Mined, form: Format, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(mined, form)
    remaining = rows(mined, form)
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(islice(remaining, _BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def _schema(mined: Mined, form: Format) -> "pa.Schema":
    """Return the columns of a format, so that they do not depend on what happens to be in the rows."""
    import pyarrow as pa

    text = pa.string()
    if form == "labeled-list":
        return pa.schema({"anchor": text, "documents": pa.list_(text), "labels": pa.list_(pa.int64())})
    if form == "triplet":
        return pa.schema({"anchor": text, "positive": text, "negative": text})
    if form == "n-tuple":
        k = mined.negatives.document.shape[1]
        return pa.schema(dict.fromkeys(["anchor", "positive", *(f"negative_{at}" for at in range(1, k + 1))], text))
    return pa.schema(
        {
            "query_id": text,
            "positive_id": text,
            "positive_score": pa.float32(),
            "negative_ids": pa.list_(text),
            "negative_scores": pa.list_(pa.float32()),
            "negative_ranks": pa.list_(pa.int32()),
            "mined": pa.int32(),
            "backfilled": pa.int32(),
            "removed": pa.struct(dict.fromkeys(mined.rules, pa.int32())),
        }
    )
