"""Rows of parquet, JSON lines and delimited files, each with its number in the file."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.errors import DataError
from harness.sources.problems import Problems, shown

__all__ = ["Row", "read_rows"]

Row = tuple[int, Mapping[str, object]]
"""The number of a row, as an editor or a reader of the file counts, and its values by column."""

_BATCH = 4096


def read_rows(file: Path, problems: Problems) -> Iterator[Row]:
    """Yield the rows of a file by the kind that its ending says; raise DataError if it cannot be read.

    Lines of JSON and delimited files are counted from 1, header and blank lines
    included; rows of parquet from 1.
    """
    readers = {".parquet": _parquet, ".jsonl": _json_lines, ".csv": _delimited, ".tsv": _delimited}
    if file.suffix not in readers:
        message = f"{file}: expected a file that ends in {', '.join(readers)}"
        raise DataError(message)
    if not file.is_file():
        message = f"{file}: expected this file, found {'a folder' if file.exists() else 'nothing'}"
        raise DataError(message)
    try:
        yield from readers[file.suffix](file, problems)
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror or str(error).splitlines()[0]}"
        raise DataError(message) from error
    except UnicodeDecodeError as error:
        message = f"{file}: expected UTF-8, found byte 0x{error.object[error.start]:02x}"
        raise DataError(message) from error


def _parquet(file: Path, problems: Problems) -> Iterator[Row]:
    del problems
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pa.ArrowInvalid as error:
        message = f"{file} is not a parquet file: {str(error).splitlines()[0]}"
        raise DataError(message) from error


def _json_lines(file: Path, problems: Problems) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                problems.add(file.name, number, f"expected a JSON object, found {shown(line.rstrip())} ({error})")
                continue
            if isinstance(row, dict):
                yield number, row
            else:
                problems.add(file.name, number, f"expected a JSON object, found {shown(row)}")


def _delimited(file: Path, problems: Problems) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t" if file.suffix == ".tsv" else ",", strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    expected = len(reader.fieldnames or ())
                    problems.add(file.name, reader.line_num, f"expected {expected} columns, as the header has")
                else:
                    yield reader.line_num, row
        except csv.Error as error:
            problems.add(file.name, reader.reader.line_num, f"expected delimited text: {error}")
