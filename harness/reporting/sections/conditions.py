"""What was planned, what was held fixed, what fell short and what failed."""

from collections.abc import Sequence

from harness.reporting import notation
from harness.reporting.blocks import Block, Column, Pairs, Prose, Section, Table
from harness.reporting.facts import Fact, shortages
from harness.reporting.tables import Analysis
from harness.trusted import trusted

__all__ = ["conditions"]


def conditions(analysis: Analysis, checked: list[Fact]) -> Section:
    """Return plan, conditions, yields and failures."""
    parts = (
        Section("What was planned", (Prose(((_PLANNED,),)), Pairs(tuple(_planned(analysis))))),
        Section("Amendments", _amendments(analysis)),
        Section("What was held fixed", (Prose(((_HELD,),)), _held(checked), *_shared(analysis))),
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
        ("Metric", notation.METRICS[plan.metric]),
        ("Splits", f"{plan.splits.tune} tunes and stops, {plan.splits.judge} judges"),
        ("Seeds", ", ".join(map(str, plan.seeds))),
        (
            "Family of comparisons",
            f"{len(plan.comparisons)}{_with_baseline(analysis)}, adjusted by {plan.family.title()}",
        ),
        ("Exclusions", " ".join(map(notation.plain, plan.exclusions)) or "none stated"),
        ("Same queries for every arm", "yes" if plan.equal_queries else "no"),
    ]
    if plan.search is not None:
        space = ", ".join(sorted(plan.search.space))
        rows.append(("Search", f"{notation.plain(plan.search.arm)}: {plan.search.trials} points over {space}, on dev"))
    if code := trusted([plan]):
        rows.append(("Models that run code of their own", ", ".join(map(notation.plain, code))))
    return [*rows, ("Hash of the plan", plan.hash or "not recorded")]


def _amendments(analysis: Analysis) -> tuple[Block, ...]:
    """Tell what became of the plan after it was first fixed."""
    plan = analysis.results.plan
    known = {amendment.hash: amendment for amendment in plan.amendments}
    rows = []
    for earlier in plan.amends:
        amendment = known.get(earlier)
        changes = "not recorded" if amendment is None else "; ".join(map(notation.plain, amendment.changes))
        finished = notation.DASH if amendment is None else notation.count(amendment.finished)
        rows.append((earlier, finished, changes))
    if not rows:
        return (Prose((("The plan was never amended.",),)),)
    columns = (Column("Plan", text=True, share=0), Column("Runs finished"), Column("What changed then", text=True))
    return (
        Table(
            columns, tuple(rows), "Earlier plans, oldest first; how many of their runs had finished when they gave way."
        ),
    )


def _with_baseline(analysis: Analysis) -> str:
    baseline = analysis.results.baseline
    return "" if baseline is None else f", each arm with {notation.plain(baseline)}"


def _held(checked: list[Fact]) -> Table:
    rows = tuple((fact.what, "yes" if fact.holds else "NO", fact.detail) for fact in checked)
    shares = {"Condition": 2.0, "Equal": 0.0, "Value": 6.0}
    columns = tuple(Column(title, text=True, share=share) for title, share in shares.items())
    unequal = frozenset(index for index, fact in enumerate(checked) if not fact.holds)
    return Table(columns, rows, strong=unequal)


def _shared(analysis: Analysis) -> tuple[Block, ...]:
    """Tell how many runs took over a training; nothing where each trained itself."""
    finished = {run.fingerprint: run for _, run in analysis.results.finished()}
    shared = sum(bool(run.shared_with) for run in finished.values())
    if not shared:
        return ()
    said = (
        f"{shared} of {len(finished)} runs share the training and evaluation of another one, whose pairs, negatives, "
        "base, settings and seed are the same; what these took is counted there, once."
    )
    return (Prose(((said,),)),)


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
    blocks: list[Block] = []
    if incidents := analysis.results.incidents:
        rows = [
            (
                notation.plain(item.arm),
                notation.plain(item.dataset),
                str(item.seed),
                str(item.tries),
                f"{item.kind}: {notation.plain(item.message)}",
            )
            for item in incidents
        ]
        blocks.append(_tries(rows, "Planned runs without numbers, and how often each was tried."))
    retried = [
        (
            notation.plain(cell.arm.name),
            notation.plain(cell.dataset),
            str(run.spec.seed),
            str(1 + len(run.earlier)),
            "; ".join(f"{attempt.kind}: {notation.plain(attempt.message)}" for attempt in run.earlier),
        )
        for cell, run in analysis.results.finished()
        if run.earlier
    ]
    if retried:
        blocks.append(_tries(retried, "Runs that finished after they had failed, with the earlier reasons."))
    if not incidents:
        said = "Every planned run finished" + ("." if retried else ", at the first attempt.")
        blocks.insert(0, Prose(((said,),)))
    return tuple(blocks)


def _tries(rows: Sequence[tuple[str, ...]], caption: str) -> Table:
    shares = {"Arm": 2.0, "Dataset": 1.0, "Seed": 0.0, "Tries": 0.0, "Reason": 4.0}
    columns = tuple(Column(title, share > 0, share) for title, share in shares.items())
    return Table(columns, tuple(rows), caption)
