"""Single queries to read: their texts, their positives, and what either arm ranks first."""

from collections.abc import Iterable, Iterator, Sequence

from harness.reporting import notation
from harness.reporting.blocks import Column, Prose, Section, Table
from harness.reporting.plots.extremes import Case, Document, Extremes, Ranked

__all__ = ["examples"]

_SHOWN = 110
"""Characters of a text that are printed."""

_POSITIVES = 2


def examples(data: Extremes) -> Section:
    """Return the queries that gained most and lost most, each as a few lines of a table."""
    a, b = notation.plain(data.a), notation.plain(data.b)
    kept = any(case.text is not None for case in (*data.gained, *data.lost))
    rank = "" if data.seed is None else f" Rankings of seed {data.seed}."
    about = "Scores are means over seeds. A filled dot marks a relevant document, a ring one not known to be." + rank
    if not kept:
        about += " Texts were not kept with these results: queries and documents are named by their ids."
    name = notation.plain(data.dataset)
    parts = [
        _table(cases, (a, b), f"Queries of {name} on which {a} is furthest {where} {b}.")
        for cases, where in ((data.gained, "above"), (data.lost, "below"))
        if cases
    ]
    return Section(f"{name}: queries that gained and lost most", (Prose(((about,),)), *parts))


def _table(cases: Sequence[Case], arms: tuple[str, str], caption: str) -> Table:
    rows: list[tuple[str, str, str]] = []
    strong = set()
    for case in cases:
        strong.add(len(rows))
        rows.append((notation.signed(case.a_score - case.b_score), "", _text(Document(case.query, case.text))))
        rows += _named("Positives", "", map(_text, case.positives[:_POSITIVES]))
        if len(case.positives) > _POSITIVES:
            rows.append(("", "", f"and {len(case.positives) - _POSITIVES} more"))
        for arm, score, first in zip(arms, (case.a_score, case.b_score), (case.first_a, case.first_b), strict=True):
            rows += _named(arm, notation.decimal(score), map(_ranked, first))
    columns = (
        Column("Difference", text=True),
        Column("Score"),
        Column("Query, positives, and what either arm ranks first", text=True, share=5.0),
    )
    return Table(columns, tuple(rows), caption, strong=frozenset(strong))


def _named(name: str, score: str, lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each line, the first with the name and the score; one with those alone if there is none."""
    listed = list(lines)
    if score and not listed:
        yield name, score, ""
    for index, line in enumerate(listed):
        yield ("", "", line) if index else (name, score, line)


def _ranked(item: Ranked) -> str:
    mark = {True: "● ", False: "○ ", None: ""}[item.relevant]
    return f"{item.rank}. {mark}{_text(item.document)}"


def _text(document: Document) -> str:
    if document.text is None:
        return notation.plain(document.id)
    text = " ".join(notation.plain(document.text).split())
    shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return f"{shown} ({notation.plain(document.id)})"
