"""What was planned, what was held fixed, what fell short and what failed."""

from harness.reporting import notation
from harness.reporting.blocks import Block, Column, Pairs, Prose, Section, Table
from harness.reporting.facts import Fact, shortages
from harness.reporting.tables import Analysis

__all__ = ["conditions"]


def conditions(analysis: Analysis, checked: list[Fact]) -> Section:
    """Return plan, conditions, yields and failures."""
    parts = (
        Section("What was planned", (Prose(((_PLANNED,),)), Pairs(tuple(_planned(analysis))))),
        Section("What was held fixed", (Prose(((_HELD,),)), _held(checked))),
        Section("Yields and shortages", _shortages(analysis)),
        Section("Failures and retries", _failures(analysis)),
    )
    return Section("Plan and conditions", (), parts)


_PLANNED = "Fixed before the first run; every comparison outside this list is marked exploratory."
_HELD = "Checked against the records of all finished runs."


def _planned(analysis: Analysis) -> list[tuple[str, str]]:
    plan = analysis.results.plan
    rows = [
        ("Question", " ".join(notation.plain(plan.question).split())),
        ("Arms", ", ".join(notation.plain(arm.name) for arm in plan.arms)),
        ("Datasets", ", ".join(map(notation.plain, analysis.results.datasets))),
        ("Metric", f"{notation.METRICS[plan.metric]} on the test split"),
        ("Seeds", ", ".join(map(str, plan.seeds))),
        ("Comparisons", f"{len(plan.comparisons)}{_with_baseline(analysis)}"),
        ("Same queries for every arm", "yes" if plan.equal_queries else "no"),
    ]
    if plan.search is not None:
        space = ", ".join(sorted(plan.search.space))
        rows.append(("Search", f"{notation.plain(plan.search.arm)}: {plan.search.trials} points over {space}, on dev"))
    return [*rows, ("Hash of the plan", plan.hash or "not recorded")]


def _with_baseline(analysis: Analysis) -> str:
    baseline = analysis.results.baseline
    return "" if baseline is None else f", each arm with {notation.plain(baseline)}"


def _held(checked: list[Fact]) -> Table:
    rows = tuple((fact.what, "yes" if fact.holds else "NO", fact.detail) for fact in checked)
    shares = {"Condition": 2.0, "Equal": 0.0, "Value": 6.0}
    columns = tuple(Column(title, text=True, share=share) for title, share in shares.items())
    unequal = frozenset(index for index, fact in enumerate(checked) if not fact.holds)
    return Table(columns, rows, strong=unequal)


def _shortages(analysis: Analysis) -> tuple[Block, ...]:
    rows = []
    for dataset, row in shortages(analysis.tables):
        served = notation.percent(None if row.yields is None else 1.0 - row.yields)
        rows.append((notation.plain(row.arm), notation.plain(dataset), served, notation.count(row.backfilled)))
    if not rows:
        return (Prose((("Every miner served every pair in full.",),)),)
    columns = (Column("Arm", text=True), Column("Dataset", text=True), Column("Pairs short"), Column("Backfilled"))
    note = "These miners could not give every pair all negatives asked for."
    return (Table(columns, tuple(rows), note),)


def _failures(analysis: Analysis) -> tuple[Block, ...]:
    incidents = analysis.results.incidents
    if not incidents:
        return (Prose((("Every planned run finished.",),)),)
    rows = tuple(
        (
            notation.plain(item.arm),
            notation.plain(item.dataset),
            str(item.seed),
            item.kind,
            notation.plain(item.message),
        )
        for item in incidents
    )
    shares = {"Arm": 2.0, "Dataset": 1.0, "Seed": 0.0, "Kind": 1.2, "Reason": 3.0}
    columns = tuple(Column(title, title != "Seed", share) for title, share in shares.items())
    return (Table(columns, rows, "Planned runs without numbers."),)
