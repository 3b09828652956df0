"""Collections on disk in BEIR format, read with every mistake named."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval, MinLen
from pydantic.dataclasses import dataclass

from harness.collection import Collection, Judgements, hide_positives
from harness.errors import DataError
from harness.fingerprint import digest, file_digest
from harness.registry import DATASETS
from harness.seeding import generator
from harness.sources.problems import Problems, shown
from harness.spec import STRICT

__all__ = ["BeirFolder"]

FORMAT = 1
"""Raised when the same files would be read into another collection."""

_HEADER = ["query-id", "corpus-id", "score"]
_GRADE = re.compile(r"-?[0-9]{1,9}")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

EmptyText = Literal["error", "keep"]
SplitFile = Annotated[str, MinLen(1)]


@DATASETS.register("beir_folder", paper="BEIR: arXiv:2104.08663")
@dataclass(kw_only=True, config=STRICT)
class BeirFolder:
    """Read `corpus.jsonl`, `queries.jsonl` and `qrels/*.tsv` of one folder.

    A document's text is its title, a space and its text. `train`, `dev` and `test` name
    the files in `qrels/` without `.tsv`; a split whose file has its default name may be
    absent. `dev_from_train` takes that many queries with a positive out of train and
    makes them the dev split: those whose ids have the lowest SHA-256, so that the choice
    depends on no order. `hide_positives` is a seed: what is left of train then keeps one
    labelled positive per query and hides the others. `empty_text: keep` reads a document
    that has neither title nor text as an empty one.
    """

    path: str
    train: SplitFile = "train"
    dev: SplitFile = "dev"
    test: SplitFile = "test"
    dev_from_train: Annotated[int, Interval(ge=0)] = 0
    hide_positives: Annotated[int, Interval(ge=0, lt=2**31)] | None = None
    empty_text: EmptyText = "error"

    def identity(self) -> str:
        """Return a digest over the bytes of the files that are read and every parameter but `path`."""
        files = {name: file_digest(file) for name, file in self._files().items()}
        return digest([FORMAT, files, self.dev_from_train, self.hide_positives, self.empty_text])

    def load(self) -> Collection:
        """Read the folder; raise DataError that lists the mistakes, each with file and line."""
        files = self._files()
        problems = Problems(self.path)
        documents = _read_texts(files["corpus"], problems, titled=True, keep_empty=self.empty_text == "keep")
        queries = _read_texts(files["queries"], problems, titled=False, keep_empty=False)
        places = ({key: at for at, key in enumerate(queries)}, {key: at for at, key in enumerate(documents)})
        splits: dict[str, Judgements] = {
            split: _read_judgements(files[split], problems, *places)
            for split in ("train", "dev", "test")
            if split in files
        }
        problems.raise_any()
        if self.dev_from_train:
            splits["train"], splits["dev"] = _carve(splits["train"], tuple(queries), self.dev_from_train, self.path)
        if self.hide_positives is not None and "train" in splits:
            splits["train"] = hide_positives(splits["train"], generator(self.hide_positives, "hide_positives"))
        return Collection(
            name=Path(self.path).resolve().name,
            document_ids=tuple(documents),
            document_texts=tuple(documents.values()),
            query_ids=tuple(queries),
            query_texts=tuple(queries.values()),
            splits=splits,
        )

    def _files(self) -> dict[str, Path]:
        """Find the files by role; raise DataError if one that is needed is missing."""
        folder = Path(self.path)
        problems = Problems(self.path)
        if not folder.is_dir():
            message = f"{folder}: expected a folder with corpus.jsonl, queries.jsonl and qrels/, found "
            raise DataError(message + ("a file" if folder.exists() else "nothing"))
        files = {role: folder / f"{role}.jsonl" for role in ("corpus", "queries")}
        for file in files.values():
            if not file.is_file():
                problems.add(file.name, None, "expected this file, found nothing")
        files |= self._split_files(folder / "qrels", problems)
        problems.raise_any()
        return files

    def _split_files(self, qrels: Path, problems: Problems) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for split, name in (("train", self.train), ("dev", self.dev), ("test", self.test)):
            file = qrels / f"{name}.tsv"
            if file.is_file():
                found[split] = file
            elif name != split:
                problems.add(f"qrels/{file.name}", None, f"expected the judgements of {split}, found nothing")
        if not found:
            there = ", ".join(sorted(file.name for file in qrels.glob("*.tsv"))) or "no .tsv file"
            names = f"{self.train}.tsv, {self.dev}.tsv or {self.test}.tsv"
            problems.add("qrels", None, f"expected {names}, found {there}; the options train, dev and test name files")
        if self.dev_from_train and "train" not in found:
            problems.add("qrels", None, f"dev_from_train={self.dev_from_train} needs {self.train}.tsv, found nothing")
        if self.dev_from_train and "dev" in found:
            problems.add("qrels", None, f"dev_from_train={self.dev_from_train} but {self.dev}.tsv is there as well")
        return found


def _lines(file: Path, problems: Problems) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, text) for each line that is not blank; report what is not UTF-8."""
    try:
        with file.open("rb") as stream:
            for number, data in enumerate(stream, start=1):
                raw = data.removeprefix(_BYTE_ORDER_MARK) if number == 1 else data
                try:
                    text = raw.decode("utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    found = f"byte 0x{raw[error.start]:02x} at column {error.start + 1}"
                    problems.add(file, number, f"expected UTF-8, found {found}")
                    continue
                if text.strip():
                    yield number, text
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise DataError(message) from error


def _read_texts(file: Path, problems: Problems, *, titled: bool, keep_empty: bool) -> dict[str, str]:
    """Read a .jsonl file into texts by id, in the order of the file."""
    texts: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in _lines(file, problems):
        row = _parse(file, number, line, problems)
        fields = None if row is None else _fields(row, file, number, problems, titled=titled)
        if fields is None:
            continue
        key, text = fields
        if key in lines:
            problems.add(file, number, f"expected an id of its own, found {shown(key)} of line {lines[key]} again")
            continue
        if not text and not keep_empty:
            hint = " (empty_text: keep reads such documents as empty)" if titled else ""
            problems.add(file, number, f"expected a text, found none for {shown(key)}{hint}")
        lines[key] = number
        texts[key] = text
    if not lines and not problems:
        problems.add(file, None, "expected at least one line, found none")
    return texts


def _parse(file: Path, number: int, line: str, problems: Problems) -> dict[str, object] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        problems.add(file, number, f"expected a JSON object, found {shown(line)} ({error})")
        return None
    if not isinstance(row, dict):
        problems.add(file, number, f"expected a JSON object, found {shown(line)}")
        return None
    return row


def _fields(
    row: dict[str, object], file: Path, number: int, problems: Problems, *, titled: bool
) -> tuple[str, str] | None:
    """Return the id and the text of a row, or report what is wrong with its keys; `title` may be absent."""
    values: dict[str, str] = {}
    for key in ("_id", "title", "text") if titled else ("_id", "text"):
        value = row.get(key, "" if key == "title" else None)
        if isinstance(value, str):
            values[key] = value
            if not _encodable(value):
                problems.add(
                    file, number, f'expected text under "{key}", found half of a surrogate pair: {shown(value)}'
                )
        elif key in row:
            problems.add(file, number, f'expected a string under "{key}", found {shown(value)}')
        else:
            problems.add(file, number, f'expected the key "{key}", found {", ".join(sorted(row)) or "no key"}')
    if len(values) < (3 if titled else 2):
        return None
    if not values["_id"].strip():
        problems.add(file, number, f'expected an id under "_id", found {shown(values["_id"])}')
        return None
    return values["_id"], f"{values.get('title', '')} {values['text']}".strip()


def _encodable(text: str) -> bool:
    """Say whether a text has a UTF-8 form; JSON escapes can spell code points that have none."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _read_judgements(file: Path, problems: Problems, queries: dict[str, int], documents: dict[str, int]) -> Judgements:
    """Read one .tsv file; `queries` and `documents` give the place of each id."""
    rows: dict[tuple[int, int], int] = {}
    lines = _lines(file, problems)
    number, header = next(lines, (1, ""))
    if header.split("\t") != _HEADER:
        problems.add(file, number, f"expected the header {shown(chr(9).join(_HEADER))}, found {shown(header)}")
    for number, line in lines:
        columns = line.split("\t")
        if len(columns) != len(_HEADER):
            problems.add(file, number, f"expected three columns between tabs, found {len(columns)}: {shown(line)}")
            continue
        query, document, grade = columns
        pair = (queries.get(query, -1), documents.get(document, -1))
        mistakes = list(_mistakes(columns, pair, repeated=pair in rows))
        for mistake in mistakes:
            problems.add(file, number, mistake)
        if not mistakes:
            rows[pair] = int(grade)
    return Judgements.of((query, document, grade, False) for (query, document), grade in rows.items())


def _mistakes(columns: list[str], pair: tuple[int, int], *, repeated: bool) -> Iterator[str]:
    """Say what is wrong with one judgement; `pair` holds -1 where an id is unknown."""
    query, document, grade = columns
    if pair[0] < 0:
        yield f"expected a query id of queries.jsonl, found {shown(query)}"
    if pair[1] < 0:
        yield f"expected a document id of corpus.jsonl, found {shown(document)}"
    if not _GRADE.fullmatch(grade):
        yield f"expected an integer score, found {shown(grade)}"
    if repeated:
        yield f"expected each pair once, found {shown(query)}, {shown(document)} again"


def _carve(train: Judgements, query_ids: tuple[str, ...], count: int, path: str) -> tuple[Judgements, Judgements]:
    """Split train into what stays and the `count` queries whose ids hash lowest."""
    able = np.unique(train.query[train.labelled]).tolist()
    if count >= len(able):
        message = f"{path}: dev_from_train={count} must be below the {len(able)} train queries that have a positive"
        raise DataError(message)
    ranked = sorted(able, key=lambda query: hashlib.sha256(query_ids[query].encode("utf-8", "surrogatepass")).digest())
    chosen = np.isin(train.query, ranked[:count])
    return _rows(train, ~chosen), _rows(train, chosen)


def _rows(rows: Judgements, keep: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Judgements:
    return Judgements(
        query=rows.query[keep], document=rows.document[keep], grade=rows.grade[keep], hidden=rows.hidden[keep]
    )
