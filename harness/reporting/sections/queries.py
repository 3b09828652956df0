"""What the mean hides: parts of the test queries, and sets beside the own one."""

from harness.reporting import notation
from harness.reporting.blocks import Block, Column, Prose, Section, Table
from harness.reporting.elsewhere import SetsTable, sets_tables
from harness.reporting.gallery import Gallery
from harness.reporting.parts import PartRow, PartTable, part_tables
from harness.reporting.plots import part_dots, query_pairs
from harness.reporting.plots.extremes import extremes
from harness.reporting.sections.drawn import Kind, drawn
from harness.reporting.sections.examples import examples
from harness.reporting.tables import Analysis

__all__ = ["queries"]

_ABREAST = 5
"""Sets side by side; further ones go below."""

_TITLES = {
    "leakage": "what the test queries share with training",
    "nearness": "interpolation and extrapolation",
}
_PARTS = ("Means with 95 % bootstrap intervals over the queries of each part. The parts were not compared by a test.",)


def queries(analysis: Analysis, gallery: Gallery) -> Section:
    """Return parts of the test queries, further sets, and the queries on which the two best arms differ most."""
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
    dots: Kind[part_dots.PartDots] = Kind(
        "parts",
        lambda data: part_dots.draw_part_dots(data, analysis.styles),
        part_dots.part_dots_rows,
        part_dots.part_dots_caption,
    )
    if pictures := drawn(analysis, gallery, part_dots.compute(analysis), dots):
        below.append(Section("Parts side by side", tuple(pictures)))
    return Section("Queries", tuple(blocks), (*below, *_best_two(analysis, gallery)))


def _best_two(analysis: Analysis, gallery: Gallery) -> list[Section]:
    """Return how the two best arms differ query by query, and the queries on which they differ most."""
    found = query_pairs.compute(analysis)
    kind: Kind[query_pairs.QueryPairs] = Kind(
        "queries", query_pairs.draw_query_pairs, query_pairs.query_pairs_rows, query_pairs.query_pairs_caption
    )
    sections = [Section("The two best arms, query by query", tuple(drawn(analysis, gallery, found, kind)))]
    for data in found:
        if data.dataset in analysis.shown:
            cases = extremes(analysis.results, data.a, data.b)
            sections += [examples(each) for each in cases if each.dataset == data.dataset]
    return sections


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
