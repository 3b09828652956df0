"""What the mean hides: parts of the test queries, and sets beside the own one."""

from harness.reporting import notation
from harness.reporting.blocks import Block, Column, Prose, Section, Table
from harness.reporting.elsewhere import SetsTable, sets_tables
from harness.reporting.parts import PartRow, PartTable, part_tables
from harness.reporting.tables import Analysis

__all__ = ["queries"]

_ABREAST = 5
"""Sets side by side; further ones go below."""

_TITLES = {
    "leakage": "what the test queries share with training",
    "nearness": "interpolation and extrapolation",
}
_PARTS = ("Means with 95 % bootstrap intervals over the queries of each part. The parts were not compared by a test.",)


def queries(analysis: Analysis) -> Section:
    """Return the tables over parts of the test queries and over further sets."""
    parts = part_tables(analysis.results)
    blocks: list[Block] = [Prose((_PARTS,))] if parts else []
    below = [Section(_title(part), (_part(part),)) for part in parts]
    sets = [
        _abreast(table, first)
        for table in sets_tables(analysis.results)
        for first in range(0, len(table.sets), _ABREAST)
    ]
    if sets:
        below.append(Section("Further evaluation sets", tuple(sets)))
    return Section("Queries", tuple(blocks), tuple(below))


def _title(table: PartTable) -> str:
    return f"{notation.plain(table.dataset)}: {_TITLES[table.kind]}"


def _part(table: PartTable) -> Table:
    titles = (f"{part} (n = {count:,})" for part, count in zip(table.parts, table.queries, strict=True))
    return Table(
        (Column("Arm", text=True), *map(Column, titles)),
        tuple(_part_cells(table, row) for row in table.rows),
        notation.plain(table.note),
        "parts",
        _title(table),
    )


def _part_cells(table: PartTable, row: PartRow) -> tuple[str, ...]:
    written = [
        notation.signed_interval(score) if " less " in part else notation.interval(score)
        for part, score in zip(table.parts, row.scores, strict=True)
    ]
    return (notation.plain(row.arm), *written)


def _abreast(table: SetsTable, first: int) -> Table:
    part = slice(first, first + _ABREAST)
    names, key = notation.column_titles(table.sets, "S")
    titles = ("Own", *names[part], "Mean of sets")
    rows = tuple(
        (notation.plain(row.arm), *(notation.decimal(value) for value in (row.own, *row.scores[part], row.mean)))
        for row in table.rows
    )
    name = notation.plain(table.dataset)
    caption = (
        f"{notation.METRICS[table.metric]} of the arms trained on {name}, on the test split of further sets: means "
        f"over seeds, without tests. Own: the test split of {name}. Mean of sets: unweighted, over all further sets."
    )
    caption += "".join(f" {title}: {set_name}." for title, set_name in key[part])
    return Table((Column("Arm", text=True), *map(Column, titles)), rows, caption, "sets", f"{name}: further sets")
