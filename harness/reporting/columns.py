"""The columns of the ablation table, declared once for every format."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.reporting import notation
from harness.reporting.tables import Analysis, ArmRow

__all__ = ["Column", "negatives_columns", "quality_columns"]


@dataclass(frozen=True)
class Column:
    """One column: its title and how a row is written in it."""

    title: str
    cell: Callable[[ArmRow], str]
    text: bool = False


def _mark() -> Column:
    return Column("", notation.marks, text=True)


def _arm() -> Column:
    return Column("Arm", lambda row: notation.plain(row.arm) + (" (baseline)" if row.baseline else ""), text=True)


def quality_columns(analysis: Analysis) -> list[Column]:
    """Return the columns on how good each arm is."""
    metric = analysis.results.plan.metric
    label = notation.METRICS[metric]
    others = {
        "mrr_at_10": Column("MRR@10", lambda row: notation.decimal(row.mrr)),
        "recall_at_100": Column("R@100", lambda row: notation.decimal(row.recall)),
    }
    versus = [
        Column("Difference [95 %]", lambda row: notation.signed_interval(row.difference)),
        Column("p", lambda row: notation.p_value(row.p_adjusted)),
        Column("Verdict", lambda row: notation.verdict_text(row.versus), text=True),
    ]
    return [
        _mark(),
        _arm(),
        Column(f"{label} [95 %]", lambda row: notation.interval(row.score)),
        *(versus if analysis.results.baseline is not None else []),
        *[column for name, column in others.items() if name != metric],
        Column("Dev", lambda row: notation.decimal(row.dev)),
        Column("Seeds", notation.seeds),
    ]


def negatives_columns() -> list[Column]:
    """Return the columns on what each arm was trained with."""
    return [
        _arm(),
        Column("Family", lambda row: notation.plain(row.family), text=True),
        Column("Yield", lambda row: notation.percent(row.yields)),
        Column("Backfilled", lambda row: notation.count(row.backfilled)),
        Column("Contamination", lambda row: notation.percent(row.contamination)),
        Column("Hardness", lambda row: notation.decimal(row.hardness)),
        Column("Overlap", lambda row: notation.decimal(row.overlap, 2)),
        Column("AUC", lambda row: notation.decimal(row.auc, 2)),
        Column("Steps", lambda row: notation.values(row.steps)),
        Column("Pairs", lambda row: notation.values(row.pairs)),
    ]
