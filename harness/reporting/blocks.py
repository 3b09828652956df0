"""What a report is made of before it has a form: sections of texts, tables and pictures, all plain data."""

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = [
    "Block",
    "Column",
    "Document",
    "Pairs",
    "Picture",
    "Prose",
    "Section",
    "Sentence",
    "Table",
    "as_data",
    "tables_of",
]

Sentence = tuple[str, ...]
"""Pieces of text; every second one, from index 1, is a name to be set in bold."""


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Column:
    """A column's title; text stands left and may be broken, numbers stand right and may not.

    Columns of text divide what the others leave, in proportion to `share`; with a share
    of 0 a column is as wide as its text, which must then be short.
    """

    title: str
    text: bool = False
    share: float = 1.0


@dataclass(frozen=True)
class Table:
    """Cells as they are printed; `strong` lists the rows set in bold, `groups` rows that begin under a heading.

    `name` is the file, without a suffix, that tables of this name are exported to, each
    under its `title`; a table without one is not exported by itself.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    name: str = ""
    title: str = ""
    strong: frozenset[int] = frozenset()
    groups: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse rows of another width than the columns, which no format could print."""
        for row in self.rows:
            assert len(row) == len(self.columns), (self.name, row)  # noqa: S101  # our own invariant


@dataclass(frozen=True)
class Picture:
    """A figure by its file, what it shows for those who cannot see it, and its caption."""

    file: str
    alt: str
    caption: str
    full_width: bool = True


@dataclass(frozen=True)
class Pairs:
    """What is known of something, as (what, value)."""

    rows: tuple[tuple[str, str], ...]


Block = Prose | Table | Picture | Pairs


@dataclass(frozen=True)
class Section:
    """A heading with its blocks and sections below it; one without content is left out."""

    title: str
    blocks: tuple[Block, ...] = ()
    parts: tuple["Section", ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to print."""
        return not self.blocks and all(part.empty for part in self.parts)


@dataclass(frozen=True)
class Document:
    """A report: what page one says, and the sections behind it."""

    name: str
    question: str
    answer: tuple[Sentence, ...]
    further: tuple[Sentence, ...]
    notices: tuple[str, ...]
    opening: tuple[Block, ...]
    sections: tuple[Section, ...]


def as_data(block: Block) -> dict[str, object]:
    """Return a block as JSON data for a template, with its kind."""
    if isinstance(block, Table):
        return {
            "kind": "table",
            "columns": [
                {"title": column.title, "text": column.text, "share": column.share if column.text else 0}
                for column in block.columns
            ],
            "rows": [
                {"cells": list(row), "strong": index in block.strong, "group": block.groups.get(index, "")}
                for index, row in enumerate(block.rows)
            ],
            "caption": block.caption,
        }
    if isinstance(block, Picture):
        return {
            "kind": "picture",
            "file": block.file,
            "alt": block.alt,
            "caption": block.caption,
            "full": block.full_width,
        }
    if isinstance(block, Pairs):
        return {"kind": "pairs", "rows": [list(row) for row in block.rows]}
    return {"kind": "prose", "sentences": [list(sentence) for sentence in block.sentences]}


def tables_of(document: Document) -> list[Table]:
    """Return every table of a document that has a name, in order."""

    def below(sections: Sequence[Section]) -> list[Block]:
        return [block for section in sections for block in (*section.blocks, *below(section.parts))]

    blocks = [*document.opening, *below(document.sections)]
    return [block for block in blocks if isinstance(block, Table) and block.name]
