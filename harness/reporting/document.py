"""Lay out what the PDF says as plain data: texts, cells and file names, never markup."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from harness.reporting import notation
from harness.reporting.answer import answer
from harness.reporting.columns import Column, negatives_columns, quality_columns
from harness.reporting.elsewhere import sets_data
from harness.reporting.exports import caption
from harness.reporting.facts import Fact, environment_rows, facts, hash_rows, shortages, timing_rows
from harness.reporting.tables import Analysis, ArmRow, DatasetTable, OverallRow
from harness.stats import RULE

__all__ = ["Figures", "Picture", "compose"]

_HEADLINE_ROWS = 12
_HEADLINE_DATASETS = 3
_HASH = 16


@dataclass(frozen=True)
class Picture:
    """One figure in the report: its file, what it shows for those who cannot see it, and its caption."""

    file: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Figures:
    """All figures of a report, in the order of its sections."""

    headline: Picture
    forests: tuple[Picture, ...]
    distributions: tuple[Picture, ...]
    scatters: tuple[Picture, ...]


def compose(analysis: Analysis, figures: Figures) -> dict[str, object]:
    """Return everything that the template prints, as JSON data."""
    plan, said, checked = analysis.results.plan, answer(analysis), facts(analysis.results)
    return {
        "name": plan.name,
        "question": " ".join(notation.plain(plan.question).split()),
        "answer": said.sentences,
        "further": said.further,
        "notices": _notices(analysis, checked),
        "headline": _headline(analysis),
        "figures": asdict(figures),
        "rule": RULE,
        "caption": caption(analysis),
        "datasets": [_dataset(analysis, table) for table in analysis.tables],
        "sets": sets_data(analysis.results),
        "planned": _planned(analysis),
        "facts": [asdict(fact) for fact in checked],
        "shortages": _shortages(analysis),
        "incidents": _incidents(analysis),
        "environment": environment_rows(analysis.results),
        "hashes": [[kind, digest] for kind, digest in hash_rows(analysis.results)],
        "timings": [[stage, f"{seconds:,.1f} s"] for stage, seconds in timing_rows(analysis.results)],
    }


def _notices(analysis: Analysis, checked: list[Fact]) -> list[str]:
    """Say on page one what a reader must know before believing the numbers."""
    found = [f"{fact.what}: not the same for all arms ({fact.detail})." for fact in checked if not fact.holds]
    if analysis.results.incidents:
        found.append(
            f"{len(analysis.results.incidents)} of {len(analysis.results.plan.runs)} planned runs left no numbers."
        )
    if analysis.results.plan.amends:
        found.append(f"The plan was amended {len(analysis.results.plan.amends)} times after it was first fixed.")
    return found


def _table(columns: list[Column], rows: Iterable[ArmRow]) -> dict[str, object]:
    return {
        "columns": [{"title": column.title, "text": column.text} for column in columns],
        "rows": [{"cells": [column.cell(row) for column in columns], "strong": row.best} for row in rows],
    }


def _dataset(analysis: Analysis, table: DatasetTable) -> dict[str, object]:
    return {
        "name": notation.plain(table.dataset),
        "queries": f"{table.queries:,}",
        "quality": _table(quality_columns(analysis), table.rows),
        "negatives": _table(negatives_columns(), table.rows),
        "statistics": _table(_statistics_columns(), [row for row in table.rows if row.versus is not None]),
    }


def _statistics_columns() -> list[Column]:
    def from_result(title: str, write: object) -> Column:
        return Column(title, lambda row: "" if row.versus is None else write(row.versus.result))  # type: ignore[operator]

    return [
        Column("Arm", lambda row: notation.plain(row.arm), text=True),
        from_result("Seeds", lambda result: str(result.seeds)),
        from_result("p (raw)", lambda result: notation.p_value(result.p_permutation)),
        from_result("p (t-test)", lambda result: notation.p_value(result.p_t)),
        from_result("Effect d_z", lambda result: notation.signed(result.effect, 2)),
        from_result("Win / tie / loss", lambda result: f"{result.wins} / {result.ties} / {result.losses}"),
        from_result("Seed spread", lambda result: notation.decimal(result.seed_spread, 4)),
        from_result("Detectable", lambda result: notation.decimal(result.detectable, 4)),
    ]


def _headline(analysis: Analysis) -> dict[str, object]:
    if len(analysis.tables) > 1:
        return _overall_headline(analysis)
    wanted = {"", "Arm", "p", "Verdict"}
    columns = [column for column in quality_columns(analysis) if column.title in wanted or "[95 %]" in column.title]
    columns.append(Column("Contamination", lambda row: notation.percent(row.contamination)))
    rows = analysis.tables[0].rows
    shown = [row for index, row in enumerate(rows) if index < _HEADLINE_ROWS or row.baseline]
    return {**_table(columns, shown), "more": len(rows) - len(shown)}


def _overall_headline(analysis: Analysis) -> dict[str, object]:
    label = notation.METRICS[analysis.results.plan.metric]
    names = [notation.plain(table.dataset) for table in analysis.tables][:_HEADLINE_DATASETS]
    titles = ["Arm", f"Mean {label} [95 %]", "Mean difference [95 %]", *names]
    best, baseline = analysis.best, analysis.results.baseline
    rows = [row for index, row in enumerate(analysis.overall) if index < _HEADLINE_ROWS or row.arm == baseline]

    def cells(row: OverallRow) -> list[str]:
        name = notation.plain(row.arm) + (" (baseline)" if row.arm == baseline else "")
        scores = [item.score if item is not None else None for item in row.rows[: len(names)]]
        each = [notation.decimal(score.mean if score is not None else None) for score in scores]
        return [name, notation.interval(row.score), notation.signed_interval(row.difference), *each]

    return {
        "columns": [{"title": title, "text": title == "Arm"} for title in titles],
        "rows": [{"cells": cells(row), "strong": row is best} for row in rows],
        "more": len(analysis.overall) - len(rows),
    }


def _planned(analysis: Analysis) -> list[list[str]]:
    plan = analysis.results.plan
    rows = [
        ["Arms", ", ".join(notation.plain(arm.name) for arm in plan.arms)],
        ["Datasets", ", ".join(map(notation.plain, analysis.results.datasets))],
        ["Metric", f"{notation.METRICS[plan.metric]} on the test split"],
        ["Seeds", ", ".join(map(str, plan.seeds))],
        ["Comparisons", f"{len(plan.comparisons)}{_with_baseline(analysis)}"],
        ["Same queries for every arm", "yes" if plan.equal_queries else "no"],
    ]
    if plan.search is not None:
        space = ", ".join(sorted(plan.search.space))
        rows.append(["Search", f"{notation.plain(plan.search.arm)}: {plan.search.trials} points over {space}, on dev"])
    return [*rows, ["Hash of the plan", plan.hash or "not recorded"]]


def _with_baseline(analysis: Analysis) -> str:
    baseline = analysis.results.baseline
    return "" if baseline is None else f", each arm with {notation.plain(baseline)}"


def _shortages(analysis: Analysis) -> list[list[str]]:
    rows = []
    for dataset, row in shortages(analysis.tables):
        served = notation.percent(None if row.yields is None else 1.0 - row.yields)
        rows.append([notation.plain(dataset), notation.plain(row.arm), served, notation.count(row.backfilled)])
    return rows


def _incidents(analysis: Analysis) -> list[list[str]]:
    return [
        [
            notation.plain(item.arm),
            notation.plain(item.dataset),
            str(item.seed),
            item.kind,
            notation.plain(item.message),
        ]
        for item in analysis.results.incidents
    ]
