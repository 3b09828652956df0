"""Runs and judgements as trec_eval reads them: `query Q0 document rank score tag`, `query 0 document grade`.

An id that holds white space or a control character would fall apart there. Such
characters, and `%` itself, are written as `%` and two hex digits for each UTF-8 byte.
Ids keep their order among themselves unless they hold such a character.
"""

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import numpy as np

from harness.errors import DataError

__all__ = ["packed", "parse_qrels", "parse_run", "qrels_text", "run_text", "unpacked"]

TAG = "winnow"

Scores = dict[str, dict[str, float]]
Grades = dict[str, dict[str, int]]

_AWKWARD = re.compile(r"[%\s\x00-\x1f\x7f]")
_RUN_FIELDS = 6
_QREL_FIELDS = 4
_GZIP = 16 + zlib.MAX_WBITS


def _escaped(name: str) -> str:
    return _AWKWARD.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), name)


def run_text(run: Mapping[str, Mapping[str, float]]) -> str:
    """Write query id -> document id -> score, both in the order given; ranks count from 1.

    Scores are those of float32, each with the fewest digits that read back as itself.
    """
    lines = [
        f"{_escaped(query)} Q0 {_escaped(document)} {rank} {np.float32(score)!s} {TAG}\n"
        for query, documents in run.items()
        for rank, (document, score) in enumerate(documents.items(), start=1)
    ]
    return "".join(lines)


def qrels_text(qrels: Mapping[str, Mapping[str, int]]) -> str:
    """Write query id -> document id -> grade."""
    lines = [
        f"{_escaped(query)} 0 {_escaped(document)} {grade}\n"
        for query, documents in qrels.items()
        for document, grade in documents.items()
    ]
    return "".join(lines)


def parse_run(text: str, what: str) -> Scores:
    """Read a run; raise DataError, naming `what` and the line, unless ranks, order and scores are as written by us.

    Documents of a query must stand by descending score, those of equal score by
    descending id, as trec_eval orders them whatever the ranks say.
    """
    found: Scores = {}
    last: dict[str, tuple[float, str]] = {}
    for place, (query, _, document, rank, score, _) in _fields(text, _RUN_FIELDS, what):
        documents = found.setdefault(query, {})
        key = (_number(score, what, place), document)
        if document in documents or str(len(documents) + 1) != rank or (documents and last[query] < key):
            raise DataError(f"{what}, line {place}: query '{query}' does not have this document at this rank")
        documents[document] = key[0]
        last[query] = key
    return found


def parse_qrels(text: str, what: str) -> Grades:
    """Read judgements; raise DataError, naming `what` and the line, where they are malformed or repeated."""
    found: Grades = {}
    for place, (query, _, document, grade) in _fields(text, _QREL_FIELDS, what):
        documents = found.setdefault(query, {})
        if document in documents or not re.fullmatch(r"-?[0-9]{1,9}", grade):
            raise DataError(f"{what}, line {place}: '{grade}' is no grade, or the document is judged twice")
        documents[document] = int(grade)
    return found


def _fields(text: str, count: int, what: str) -> Iterator[tuple[int, list[str]]]:
    for place, line in enumerate(text.splitlines(), start=1):
        fields = line.split(" ")
        if len(fields) != count or not all(fields):
            raise DataError(f"{what}, line {place}: must have {count} fields with one space between, got {line[:60]!r}")
        try:
            yield place, [unquote(field, errors="strict") if "%" in field else field for field in fields]
        except UnicodeDecodeError as error:
            raise DataError(f"{what}, line {place}: an id is not written in UTF-8") from error


def _number(text: str, what: str, place: int) -> float:
    try:
        value = float(np.float32(text))
    except ValueError as error:
        raise DataError(f"{what}, line {place}: '{text[:30]}' is no score") from error
    if not np.isfinite(value):
        raise DataError(f"{what}, line {place}: the score {text[:30]} is not finite")
    return value


def packed(text: str) -> bytes:
    """Return `text` compressed with gzip, without name or time: the same text gives the same bytes."""
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def unpacked(content: bytes, limit: int, what: str) -> str:
    """Return the text of one gzip member of at most `limit` bytes; raise DataError otherwise."""
    reader = zlib.decompressobj(_GZIP)
    try:
        found = reader.decompress(content, limit + 1)
        if len(found) > limit or not reader.eof or reader.unused_data:
            raise DataError(f"{what} is cut short, holds more than one part, or unpacks to over {limit:,} bytes")
        return found.decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{what} is no gzip file of UTF-8 text: {error}") from error
