"""The columns of the ablation table, declared once for every format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.reporting import notation
from harness.reporting.blocks import Column, Table
from harness.reporting.tables import Analysis, ArmRow
from harness.stats import PairedComparison

__all__ = ["ArmColumn", "as_table", "cost_columns", "negatives_columns", "quality_columns", "statistics_columns"]


@dataclass(frozen=True)
class ArmColumn:
    """One column of a table of arms: its title and how a row is written in it."""

    title: str
    cell: Callable[[ArmRow], str]
    text: bool = False
    share: float = 1.0


def _mark() -> ArmColumn:
    return ArmColumn("", notation.marks, text=True, share=0)


def _arm() -> ArmColumn:
    return ArmColumn("Arm", lambda row: notation.plain(row.arm) + (" (baseline)" if row.baseline else ""), text=True)


def quality_columns(analysis: Analysis) -> list[ArmColumn]:
    """Return the columns on how good each arm is."""
    metric = analysis.results.plan.metric
    label = notation.METRICS[metric]
    others = {
        "mrr_at_10": ArmColumn("MRR@10", lambda row: notation.decimal(row.mrr)),
        "recall_at_100": ArmColumn("R@100", lambda row: notation.decimal(row.recall)),
    }
    versus = [
        ArmColumn("Difference [95 %]", lambda row: notation.signed_interval(row.difference)),
        ArmColumn("p", lambda row: notation.p_value(row.p_adjusted)),
        ArmColumn("Verdict", lambda row: notation.verdict_text(row.versus), text=True, share=0),
    ]
    return [
        _mark(),
        _arm(),
        ArmColumn(f"{label} [95 %]", lambda row: notation.interval(row.score)),
        *(versus if analysis.results.baseline is not None else []),
        *[column for name, column in others.items() if name != metric],
        ArmColumn("Dev", lambda row: notation.decimal(row.dev)),
        ArmColumn("Seeds", notation.seeds),
    ]


def negatives_columns() -> list[ArmColumn]:
    """Return the columns on what each arm was trained with."""
    return [
        _arm(),
        ArmColumn("Yield", lambda row: notation.percent(row.yields)),
        ArmColumn("Backfilled", lambda row: notation.count(row.backfilled)),
        ArmColumn("Contamination", lambda row: notation.percent(row.contamination)),
        ArmColumn("Hardness", lambda row: notation.decimal(row.hardness)),
        ArmColumn("Overlap", lambda row: notation.decimal(row.overlap, 2)),
        ArmColumn("AUC", lambda row: notation.decimal(row.auc, 2)),
        ArmColumn("Steps", lambda row: notation.values(row.steps)),
        ArmColumn("Pairs", lambda row: notation.values(row.pairs)),
    ]


def statistics_columns() -> list[ArmColumn]:
    """Return the columns on how each arm's difference to the baseline was tested."""

    def tested(title: str, write: Callable[[PairedComparison], str]) -> ArmColumn:
        return ArmColumn(title, lambda row: "" if row.versus is None else write(row.versus.result))

    return [
        _arm(),
        tested("Seeds", lambda result: str(result.seeds)),
        tested("p (raw)", lambda result: notation.p_value(result.p_permutation)),
        tested("p (t-test)", lambda result: notation.p_value(result.p_t)),
        ArmColumn(
            "p (seeds)", lambda row: notation.p_value(None if row.versus is None else row.versus.p_seeds_adjusted)
        ),
        tested("Effect d_z", lambda result: notation.signed(result.effect, 2)),
        tested("Win / tie / loss", lambda result: f"{result.wins} / {result.ties} / {result.losses}"),
        tested("Seed spread", lambda result: notation.decimal(result.seed_spread, 4)),
        tested("Detectable", lambda result: notation.decimal(result.detectable, 4)),
    ]


def cost_columns() -> list[ArmColumn]:
    """Return the columns on what an arm's runs took: wall-clock seconds a run, as means over seeds."""

    def seconds(title: str, stage: str) -> ArmColumn:
        return ArmColumn(title, lambda row: notation.decimal(row.seconds.get(stage), 1))

    return [
        _arm(),
        seconds("Mining s", "mine"),
        seconds("Training s", "train"),
        seconds("Evaluation s", "evaluate"),
        ArmColumn("A run in all s", lambda row: notation.decimal(sum(row.seconds.values()) or None, 1)),
        ArmColumn(
            "All seeds h", lambda row: notation.decimal(sum(row.seconds.values()) * row.seeds_done / 3600 or None)
        ),
    ]


def as_table(columns: Sequence[ArmColumn], rows: Sequence[ArmRow], *, grouped: bool = True) -> Table:
    """Write rows of arms as a table, the best in bold; `grouped` by family under headings, the best family first."""
    ordered = list(rows)
    groups: dict[int, str] = {}
    if grouped:
        families = list(dict.fromkeys(row.family for row in rows))
        ordered = [row for family in families for row in rows if row.family == family]
        groups = {
            index: ordered[index].family
            for index in range(len(ordered))
            if index == 0 or ordered[index].family != ordered[index - 1].family
        }
    return Table(
        tuple(Column(column.title, column.text, column.share) for column in columns),
        tuple(tuple(column.cell(row) for column in columns) for row in ordered),
        strong=frozenset(index for index, row in enumerate(ordered) if row.best),
        groups=groups if len(groups) > 1 else {},
    )
