"""Every number of the ablation as rows for programs: CSV to six significant digits, parquet in full."""

import csv
import io
from collections.abc import Mapping, Sequence

from harness.reporting import notation
from harness.reporting.exports import escape_csv
from harness.reporting.tables import Analysis, ArmRow, DatasetTable
from harness.stats import Interval

__all__ = ["Value", "ablation_numbers", "as_csv", "as_parquet", "cost_numbers"]

Value = str | float | int | None


def ablation_numbers(analysis: Analysis) -> list[dict[str, Value]]:
    """Return one row per arm and dataset."""
    return [_ablation(table, row) for table in analysis.tables for row in table.rows]


def _ablation(table: DatasetTable, row: ArmRow) -> dict[str, Value]:
    versus = row.versus
    result = versus.result if versus else None
    names = ("mrr", "recall", "dev", "yields", "backfilled", "contamination", "hardness", "overlap", "auc")
    return {
        "dataset": table.dataset,
        "arm": row.arm,
        "family": row.family,
        "marks": notation.marks(row),
        **_bounds("test", row.score),
        **_bounds("difference", row.difference),
        "p_permutation": result.p_permutation if result else None,
        "p_adjusted": versus.p_adjusted if versus else None,
        "p_t_test": result.p_t if result else None,
        "p_seeds": result.p_seeds if result else None,
        "p_seeds_adjusted": versus.p_seeds_adjusted if versus else None,
        **_bounds("difference_over_seeds", result.over_seeds if result else None),
        "effect_d_z": result.effect if result else None,
        "wins": result.wins if result else None,
        "ties": result.ties if result else None,
        "losses": result.losses if result else None,
        "seed_spread": result.seed_spread if result else None,
        "detectable_difference": result.detectable if result else None,
        "verdict": versus.verdict if versus else "",
        "comparison": ("planned" if versus.planned else "exploratory") if versus else "",
        "baseline": versus.baseline if versus else "",
        **{name: getattr(row, name) for name in names},
        "seeds_done": row.seeds_done,
        "seeds_planned": row.seeds_planned,
        "test_queries": table.queries,
        "steps": " ".join(map(str, row.steps)),
        "pairs": " ".join(map(str, row.pairs)),
    }


def _bounds(name: str, value: Interval | None) -> dict[str, Value]:
    if value is None:
        return dict.fromkeys([name, f"{name}_low", f"{name}_high"])
    return {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}


def cost_numbers(analysis: Analysis) -> list[dict[str, Value]]:
    """Return the mean wall-clock seconds of a run, one row per arm, dataset and stage."""
    return [
        {"dataset": table.dataset, "arm": row.arm, "stage": stage, "seconds": seconds, "runs": row.seeds_done}
        for table in analysis.tables
        for row in table.rows
        for stage, seconds in row.seconds.items()
    ]


def as_csv(rows: Sequence[Mapping[str, Value]]) -> bytes:
    """Write rows of equal keys; texts that a spreadsheet would run are quoted, missing numbers are empty."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _written(value) for key, value in row.items()} for row in rows)
    return stream.getvalue().encode()


def _written(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return escape_csv(value)
    return str(value) if isinstance(value, int) else f"{value + 0.0:.6g}"


def as_parquet(rows: Sequence[Mapping[str, Value]]) -> bytes:
    """Write rows of equal keys with every digit; texts as they are."""
    import pandas as pd

    stream = io.BytesIO()
    pd.DataFrame(list(rows)).to_parquet(stream, index=False)
    return stream.getvalue()
