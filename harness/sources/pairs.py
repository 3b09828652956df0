"""Pairs of a query and a document that answers it, from a file or from memory."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from pathlib import Path

from pydantic.dataclasses import dataclass

from harness.collection import Collection, Judgements, normalised
from harness.fingerprint import digest, file_digest
from harness.registry import DATASETS
from harness.sources.problems import Problems, shown
from harness.sources.row_files import Row, read_rows
from harness.spec import STRICT

__all__ = ["Pairs", "collect"]

FORMAT = 1
"""Raised when the same files would be read into another collection."""

_SPLITS = ("train", "dev", "test")


@plain_dataclass(frozen=True)
class _Columns:
    """Where a text, its id and its title may stand; of several the first that is there counts."""

    text: tuple[str, ...]
    name: tuple[str, ...]
    title: str = ""


_QUERY = _Columns(("query", "anchor", "question"), ("query_id",))
_POSITIVE = _Columns(("positive", "document", "passage", "answer"), ("positive_id",))
_CORPUS = _Columns(("text", "document", "passage"), ("_id", "id"), title="title")


@DATASETS.register("pairs")
@dataclass(kw_only=True, config=STRICT)
class Pairs:
    """Read (query, positive) pairs from a .parquet, .jsonl, .csv or .tsv file.

    Columns: `query` (or anchor, question), `positive` (or document, passage, answer);
    optional `query_id`, `positive_id`, and `split` (train, dev or test; train where the
    column is absent). `corpus` is a file of further documents: `text`, and optional
    `title` and `_id` (or id); with it and `positive_id` the column `positive` may be
    absent. A text is known by its id or, where it has none, by its words without regard
    to case and white space: the same text is one document, and a query on several rows
    has several positives.
    """

    path: str
    corpus: str = ""

    def identity(self) -> str:
        """Return a digest over the bytes of the files."""
        files = [Path(self.path), *([Path(self.corpus)] if self.corpus else [])]
        for file in files:
            next(read_rows(file, Problems(str(file))), None)  # says what is wrong with a file that is not there
        return digest([FORMAT, [[file.suffix, file_digest(file)] for file in files]])

    def load(self) -> Collection:
        """Read the files; raise DataError that lists the mistakes, each with file, row and column."""
        pairs, problems = Path(self.path), Problems(self.path)
        corpus = Path(self.corpus) if self.corpus else None
        return collect(
            read_rows(pairs, problems),
            None if corpus is None else read_rows(corpus, problems),
            problems,
            names=(pairs.name, "" if corpus is None else corpus.name),
        )


def collect(
    pairs: Iterable[Row], corpus: Iterable[Row] | None, problems: Problems, names: tuple[str, str] = ("pairs", "corpus")
) -> Collection:
    """Make a collection of numbered rows; `names` say where the rows are from when one is wrong."""
    documents, queries = _Texts("d"), _Texts("q")
    for number, row in corpus or ():
        documents.add(_Cell(names[1], number, row, problems), _CORPUS)
    judged: dict[str, set[tuple[int, int]]] = {}
    for number, row in pairs:
        cell = _Cell(names[0], number, row, problems)
        query = queries.add(cell, _QUERY)
        document = documents.add(cell, _POSITIVE, known=corpus is not None)
        split = cell.one_of("split", _SPLITS)
        if query is not None and document is not None and split:
            judged.setdefault(split, set()).add((query, document))
    if not judged and not problems:
        problems.add(names[0], None, "expected at least one pair, found none")
    problems.raise_any()
    return Collection(
        name=Path(names[0]).stem,
        document_ids=tuple(documents.text_by_id),
        document_texts=tuple(documents.text_by_id.values()),
        query_ids=tuple(queries.text_by_id),
        query_texts=tuple(queries.text_by_id.values()),
        splits={
            split: Judgements.of((query, document, 1, False) for query, document in rows)
            for split, rows in judged.items()
        },
    )


@plain_dataclass(frozen=True)
class _Cell:
    """One row and where it stands."""

    file: str
    number: int
    row: Mapping[str, object]
    problems: Problems

    def wrong(self, column: str, message: str) -> None:
        self.problems.add(self.file, self.number, f'column "{column}": {message}')

    def text(self, columns: tuple[str, ...]) -> str | None:
        """Return the text of the first of `columns` that is there; None after a mistake."""
        column = next((name for name in columns if self.row.get(name) is not None), "")
        value = self.row.get(column)
        if isinstance(value, str) and value.strip() and _encodable(value):
            return value
        if column:
            self.wrong(column, f"expected text, found {shown(value)}")
        else:
            there = ", ".join(map(str, self.row)) or "none"
            self.wrong(columns[0], f"expected text, found nothing (columns: {there})")
        return None

    def identifier(self, columns: tuple[str, ...]) -> str | None:
        """Return an id, which may be a whole number; None where there is none."""
        value = next((self.row[name] for name in columns if self.row.get(name) is not None), None)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return None if value is None else self.text(columns)

    def one_of(self, column: str, choices: tuple[str, ...]) -> str:
        """Return one of `choices`, the first if the column is absent; an empty text after a mistake."""
        value = self.row.get(column)
        if value is None:
            return choices[0]
        if value in choices:
            return str(value)
        self.wrong(column, f"expected {', '.join(choices)}, found {shown(value)}")
        return ""


def _encodable(text: str) -> bool:
    """Say whether a text has a UTF-8 form; JSON escapes can spell code points that have none."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


@plain_dataclass
class _Texts:
    """Texts by id, in the order in which they come; `prefix` starts the ids that are made up."""

    prefix: str
    text_by_id: dict[str, str] = field(default_factory=dict)
    _place: dict[str, int] = field(default_factory=dict)
    _by_words: dict[str, int] = field(default_factory=dict)

    def add(self, cell: _Cell, columns: _Columns, *, known: bool = False) -> int | None:
        """Enter a row's text and return its place; None after a mistake.

        With `known` an id alone is enough: its text has been entered before.
        """
        name = cell.identifier(columns.name)
        if known and name is not None and all(cell.row.get(column) is None for column in columns.text):
            if name not in self._place:
                cell.wrong(columns.name[0], f"expected an id of the corpus, found {shown(name)}")
            return self._place.get(name)
        text = cell.text(columns.text)
        if text is None:
            return None
        heading = cell.row.get(columns.title)
        text = f"{heading} {text}" if isinstance(heading, str) and heading else text
        words = normalised(text)
        if name is None and words in self._by_words:
            return self._by_words[words]
        # made of the text, so that no id depends on the order of the rows
        name = name or f"{self.prefix}:{hashlib.sha256(words.encode()).hexdigest()[:16]}"
        if name not in self._place:
            return self._enter(name, text, words)
        if normalised(self.text_by_id[name]) == words:
            return self._place[name]
        cell.wrong(columns.name[0], f"expected an id of its own, found {shown(name)} with another text before")
        return None

    def _enter(self, name: str, text: str, words: str) -> int:
        place = len(self.text_by_id)
        self.text_by_id[name] = text
        self._place[name] = place
        self._by_words.setdefault(words, place)
        return place
