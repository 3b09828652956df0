"""Single queries to read: their texts, their positives, and what either arm ranks first."""

from collections.abc import Sequence

from harness.reporting import notation
from harness.reporting.blocks import Column, Prose, Section, Table
from harness.reporting.plots.extremes import Case, Document, Extremes, Ranked

__all__ = ["examples"]

_SHOWN = 160
"""Characters of a text that are printed."""

_POSITIVES = 2


def examples(data: Extremes) -> Section:
    """Return the queries that gained most and lost most, each as a few lines of a table."""
    a, b = notation.plain(data.a), notation.plain(data.b)
    kept = any(case.text is not None for case in (*data.gained, *data.lost))
    rank = "" if data.seed is None else f" Rankings of seed {data.seed}."
    about = f"Scores are means over seeds. A filled dot marks a relevant document, a ring one that is not known to be.{rank}"
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
    rows: list[tuple[str, str]] = []
    strong = set()
    for case in cases:
        strong.add(len(rows))
        query = Document(case.query, case.text)
        rows.append((f"{notation.signed(case.a_score - case.b_score)}", _text(query)))
        scores = f"{notation.decimal(case.a_score)} against {notation.decimal(case.b_score)}"
        if case.positives:
            more = len(case.positives) - _POSITIVES
            listed = " ‖ ".join(_text(document) for document in case.positives[:_POSITIVES])
            rows.append(("Positives", listed + (f" ‖ and {more} more" if more > 0 else "")))
        rows += [
            (arm, " ‖ ".join(map(_ranked, first)))
            for arm, first in zip(arms, (case.first_a, case.first_b), strict=True)
            if first
        ]
        rows.append(("Scores", scores))
    columns = (Column("Difference", text=True), Column("Query and what was ranked first", text=True, share=5.0))
    return Table(columns, tuple(rows), caption, strong=frozenset(strong))


def _ranked(item: Ranked) -> str:
    mark = {True: "● ", False: "○ ", None: ""}[item.relevant]
    return f"{item.rank}. {mark}{_text(item.document)}"


def _text(document: Document) -> str:
    if document.text is None:
        return notation.plain(document.id)
    text = " ".join(notation.plain(document.text).split())
    shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return f"{shown} ({notation.plain(document.id)})"
