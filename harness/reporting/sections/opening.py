"""Page one: the headline table and figure, and what a reader must know before believing them."""

from dataclasses import replace

from harness.reporting import notation
from harness.reporting.blocks import Block, Column, Picture, Table
from harness.reporting.columns import ArmColumn, as_table, quality_columns
from harness.reporting.facts import Fact
from harness.reporting.gallery import Gallery
from harness.reporting.points import overall_forest
from harness.reporting.sections.differences import forest_picture
from harness.reporting.tables import Analysis, OverallRow

__all__ = ["notices", "opening"]

_ROWS = 12
_DATASETS = 3
_CAPTION = (
    'Test results, highest first. Brackets: 95 % bootstrap intervals over queries. "Ablation" explains the tests, '
    '"How differences are judged" the rule for verdicts.'
)


def notices(analysis: Analysis, checked: list[Fact]) -> tuple[str, ...]:
    """Say what stands between the reader and the numbers."""
    plan = analysis.results.plan
    found = [f"{fact.what}: not the same for all arms ({fact.detail})." for fact in checked if not fact.holds]
    if analysis.results.incidents:
        found.append(f"{len(analysis.results.incidents)} of {len(plan.runs)} planned runs left no numbers.")
    if plan.amends:
        found.append(f"The plan was amended {len(plan.amends)} times after it was first fixed.")
    return (*found, *analysis.results.remarks)


def opening(analysis: Analysis, gallery: Gallery) -> tuple[Block, ...]:
    """Return the headline table and figure."""
    table = _single(analysis) if len(analysis.tables) == 1 else _overall(analysis)
    return table, _figure(analysis, gallery)


def _figure(analysis: Analysis, gallery: Gallery) -> Picture:
    return forest_picture(analysis, gallery, "difference", overall_forest(analysis), several=len(analysis.tables) > 1)


def _single(analysis: Analysis) -> Table:
    wanted = {"", "Arm", "p", "Verdict"}
    columns = [column for column in quality_columns(analysis) if column.title in wanted or "[95 %]" in column.title]
    columns.append(ArmColumn("Contamination", lambda row: notation.percent(row.contamination)))
    rows = analysis.tables[0].rows
    shown = [row for index, row in enumerate(rows) if index < _ROWS or row.baseline]
    return replace(as_table(columns, shown, grouped=False), caption=_caption(len(rows) - len(shown)))


def _caption(more: int) -> str:
    return f'{_CAPTION} {more} further arms: "Ablation".' if more else _CAPTION


def _overall(analysis: Analysis) -> Table:
    label = notation.METRICS[analysis.results.plan.metric]
    titles, key = notation.column_titles(analysis.results.datasets, "D")
    names = titles[:_DATASETS]
    stand = "; ".join(f"{title}: {name}" for title, name in key[:_DATASETS])
    titles = ["Arm", f"Mean {label} [95 %]", "Mean difference [95 %]", *names]
    best, baseline = analysis.best, analysis.results.baseline
    rows = [row for index, row in enumerate(analysis.overall) if index < _ROWS or row.arm == baseline]

    def cells(row: OverallRow) -> tuple[str, ...]:
        name = notation.plain(row.arm) + (" (baseline)" if row.arm == baseline else "")
        scores = [item.score if item is not None else None for item in row.rows[: len(names)]]
        each = [notation.decimal(score.mean if score is not None else None) for score in scores]
        return (name, notation.interval(row.score), notation.signed_interval(row.difference), *each)

    return Table(
        tuple(Column(title, title == "Arm") for title in titles),
        tuple(cells(row) for row in rows),
        _caption(len(analysis.overall) - len(rows)) + (f" {stand}." if stand else ""),
        strong=frozenset(index for index, row in enumerate(rows) if row is best),
    )
