"""The ablation: how good every arm is on every dataset, what it was trained with, and what it cost."""

from dataclasses import replace

from harness.reporting import notation
from harness.reporting.blocks import Block, Column, Pairs, Section, Table
from harness.reporting.columns import as_table, cost_columns, negatives_columns, quality_columns, statistics_columns
from harness.reporting.gallery import Gallery, slug
from harness.reporting.points import forest
from harness.reporting.sections.differences import forest_picture
from harness.reporting.tables import Analysis, ArmRow, DatasetTable, OverallRow
from harness.stats import ALPHA, RULE

__all__ = ["ablation", "caption"]

_ABREAST = 5
"""Datasets side by side; further ones go below."""

_DETAILED = 4
"""As many datasets as the report gives tables of their own; those of more are in the files beside it."""

_NEGATIVES = (
    "What each arm was trained with, as means over seeds. Yield: share of pairs to which the miner gave, and repair "
    "left, every negative asked for. Backfilled: negatives added by the shortage policy. Contamination: share of "
    "mined negatives that are hidden positives. Hardness: mean teacher score of a negative less its positive's. "
    "Overlap and AUC: of the scores of positives and mined negatives."
)
_STATISTICS = (
    "Further statistics of the differences to the baseline. p (raw): by permutation, before the adjustment. p (seeds): "
    "over queries and seeds, adjusted. Effect d_z: mean over standard deviation of the per-query differences. Seed "
    "spread: standard deviation of the per-seed mean difference. Detectable: the difference found with 80 % power at "
    "alpha 0.05."
)
_COST = (
    "Wall-clock seconds of one run, as means over seeds, on the machine named under Reproduction. What runs share, "
    "such as the scores of a teacher, is computed before them and not counted here."
)
_MARKS = {
    "best": "* highest",
    "tied": "= not told apart from the highest",
    "better": "▲ better, ▼ worse than the baseline, both beyond noise",
}


def ablation(analysis: Analysis, gallery: Gallery) -> Section:
    """Return the tables of all datasets, and those of each where they are few."""
    several = len(analysis.tables) > 1
    detailed = analysis.tables if len(analysis.tables) <= _DETAILED else ()
    blocks: list[Block] = [*_matrices(analysis)] if several else []
    if key := notation.column_titles(analysis.results.datasets, "D")[1]:
        blocks.append(Pairs(tuple(key)))
    parts = [
        _dataset(analysis, table, gallery if several else None, number) for number, table in enumerate(detailed, 1)
    ]
    if not detailed:
        parts.append(_averages(analysis))
    return Section("Ablation", tuple(blocks), tuple(parts))


def caption(analysis: Analysis) -> str:
    """Say which test, family and level stand behind the verdicts, and what the marks mean."""
    marks = "; ".join(f"{mark} {meaning}" for mark, meaning in notation.KEY.items())
    dev = f"Dev: {notation.METRICS[analysis.results.plan.metric]} on the dev split. R@100: recall at 100."
    told = f"{dev} Told apart from the highest: the same test against the highest, Holm over arms, exploratory."
    interval = "Brackets: 95 % percentile bootstrap over queries, seeds averaged within each query."
    if analysis.results.baseline is None:
        return f"{interval} Marks: {marks}. {told}"
    planned = len(analysis.results.plan.comparisons)
    test = (
        f"Difference to {notation.plain(analysis.results.baseline)}; p: two-sided paired permutation test over "
        f"queries, Holm-adjusted over the {planned} planned comparisons (alpha {ALPHA}); "
        "comparisons that were not planned are marked e and adjusted among themselves (Benjamini and Hochberg)."
    )
    return f"{interval} {test} {RULE} Marks: {marks}. {told}"


def _dataset(analysis: Analysis, table: DatasetTable, gallery: Gallery | None, number: int) -> Section:
    name = notation.plain(table.dataset)
    title = f"{name}: {table.queries:,} test queries"
    blocks: list[Block] = []
    for columns, rows, said, (file, what) in (
        (quality_columns(analysis), table.rows, caption(analysis), ("ablation", f"{table.queries:,} test queries")),
        (negatives_columns(), table.rows, _NEGATIVES, ("ablation", "negatives")),
        (statistics_columns(), [row for row in table.rows if row.versus], _STATISTICS, ("ablation", "statistics")),
        (cost_columns(), [row for row in table.rows if row.seconds], _COST, ("cost", "cost")),
    ):
        if rows:
            blocks.append(
                replace(
                    as_table(columns, rows, grouped=said is not _COST), caption=said, name=file, title=f"{name}: {what}"
                )
            )
    if gallery is not None:
        file = f"difference-{slug(number, table.dataset)}"
        blocks.append(forest_picture(analysis, gallery, file, forest(analysis, table)))
    return Section(title, tuple(blocks))


def _matrices(analysis: Analysis) -> list[Table]:
    """Return arms by datasets, a few datasets abreast."""
    return [_matrix(analysis, first) for first in range(0, len(analysis.tables), _ABREAST)]


def _matrix(analysis: Analysis, first: int) -> Table:
    label = notation.METRICS[analysis.results.plan.metric]
    titles, _ = notation.column_titles(analysis.results.datasets, "D")
    overall = _by_family(analysis)
    rows = []
    for row in overall:
        shown = [_cell(item) for item in row.rows[first : first + _ABREAST]]
        name = notation.plain(row.arm) + (" (baseline)" if row.arm == analysis.results.baseline else "")
        rows.append((name, *shown, notation.interval(row.score) if first == 0 else notation.decimal(_mean(row))))
    families = [_family(row) for row in overall]
    groups = {index: name for index, name in enumerate(families) if index == 0 or name != families[index - 1]}
    columns = [Column("Arm", text=True), *map(Column, titles[first : first + _ABREAST])]
    columns.append(
        Column(f"Mean of {len(analysis.tables)} [95 %]" if first == 0 else f"Mean of {len(analysis.tables)}")
    )
    key = "; ".join(text for name, text in _MARKS.items() if name != "better" or analysis.results.baseline is not None)
    return Table(
        tuple(columns),
        tuple(rows),
        f"{label} on test, means over queries and seeds. {key}. Grouped by family. {caption(analysis)}"
        if first == 0
        else f"{label} on test, further datasets; marks as above.",
        "ablation",
        "All datasets" if first == 0 else f"All datasets, from number {first + 1}",
        frozenset(index for index, row in enumerate(overall) if row is analysis.best),
        groups if len(groups) > 1 else {},
    )


def _mean(row: OverallRow) -> float | None:
    return None if row.score is None else row.score.mean


def _family(row: OverallRow) -> str:
    return next((item.family for item in row.rows if item is not None), "")


def _by_family(analysis: Analysis) -> list[OverallRow]:
    families = list(dict.fromkeys(_family(row) for row in analysis.overall))
    return [row for family in families for row in analysis.overall if _family(row) == family]


def _cell(row: ArmRow | None) -> str:
    if row is None or row.score is None:
        return notation.DASH
    verdict = "" if row.versus is None else {"better": "▲", "worse": "▼"}.get(row.versus.verdict, "")
    place = "*" if row.best else "=" if row.tied else ""
    return f"{notation.decimal(row.score.mean)}{verdict}{place}"


def _averages(analysis: Analysis) -> Section:
    """Return what arms were trained with and cost as means over many datasets."""
    columns = (
        ("Arm", True),
        ("Yield", False),
        ("Contamination", False),
        ("Hardness", False),
        ("Overlap", False),
        ("AUC", False),
        ("A run in all s", False),
    )
    rows = []
    for row in _by_family(analysis):
        found = [item for item in row.rows if item is not None]
        rows.append(
            (
                notation.plain(row.arm),
                notation.percent(_average([item.yields for item in found])),
                notation.percent(_average([item.contamination for item in found])),
                notation.decimal(_average([item.hardness for item in found])),
                notation.decimal(_average([item.overlap for item in found]), 2),
                notation.decimal(_average([item.auc for item in found]), 2),
                notation.decimal(_average([sum(item.seconds.values()) or None for item in found]), 1),
            )
        )
    note = (
        f"{_NEGATIVES} Unweighted means over the datasets that have the number. What holds on each dataset, with every "
        "statistic, is in tables/ablation.csv."
    )
    table = Table(tuple(Column(*column) for column in columns), tuple(rows), note, "cost", "Means over datasets")
    return Section("Negatives and cost, means over datasets", (table,))


def _average(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
