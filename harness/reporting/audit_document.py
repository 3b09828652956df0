"""Lay out what the PDF of an audit says as plain data: texts, cells and file names, never markup."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from harness.audit.curves import hardness_at
from harness.audit.records import AuditReport, Rate, StrategyAudit, TeacherAudit
from harness.audit.settings import STRICTNESS
from harness.reporting import notation
from harness.reporting.audit_pictures import AuditFigures
from harness.reporting.audit_text import answer, cheapest, question, setting, truth_note

__all__ = ["compose"]


@dataclass(frozen=True)
class _Column:
    title: str
    cell: Callable[[StrategyAudit], str]
    text: bool = False


def compose(report: AuditReport, figures: AuditFigures) -> dict[str, object]:
    """Return everything that the template prints, as JSON data."""
    judged = report.truth == "judged"
    return {
        "name": notation.plain(report.collection),
        "question": " ".join(question(report).split()),
        "answer": answer(report),
        "truth": truth_note(report),
        "judged": judged,
        "facts": _facts(report),
        "k": report.k,
        "resamples": f"{report.resamples:,}",
        "teachers": [_teacher(audit, judged=judged) for audit in report.teachers],
        "cheapest": _cheapest(report),
        "figures": asdict(figures),
    }


def _facts(report: AuditReport) -> list[tuple[str, str]]:
    return [
        ("Collection", f"{notation.plain(report.collection)}, split {notation.plain(report.split)}"),
        ("Content (SHA-256)", report.digest[:16]),
        ("Documents", f"{report.documents:,}"),
        ("Queries and pairs", f"{report.queries:,} and {report.pairs:,}"),
        ("Hidden positives", f"{report.hidden_positives:,}"),
        ("Judged non-relevant", f"{report.judged_non_relevant:,}"),
        ("Candidates per query", f"{report.depth:,}"),
        ("Negatives per pair", f"{report.k}"),
        ("Seed", f"{report.seed}"),
        *(
            (f"Hidden in the pool of {notation.plain(audit.teacher)}", f"{audit.hidden_in_pool:,}")
            for audit in report.teachers
        ),
    ]


def _teacher(audit: TeacherAudit, *, judged: bool) -> dict[str, object]:
    return {
        "name": notation.plain(audit.teacher),
        "opis": notation.decimal(audit.opis),
        "headline": _table(_headline_columns(judged=judged), audit.strategies),
        "further": _table(_FURTHER, audit.strategies),
    }


def _table(columns: Sequence[_Column], rows: Sequence[StrategyAudit]) -> dict[str, object]:
    return {
        "columns": [{"title": column.title, "text": column.text} for column in columns],
        "rows": [{"cells": [column.cell(row) for column in columns], "strong": row.verdict == "suits"} for row in rows],
    }


def _cheapest(report: AuditReport) -> dict[str, object]:
    """List the settings that halve the naive contamination, hardest first, teacher by teacher."""
    titles = ("Teacher", "Setting", "Contamination [95 %]", "Full", "Hardness", "Below naive", "Rank")
    rows: list[list[str]] = []
    for audit in report.teachers:
        rows += [
            [
                notation.plain(audit.teacher),
                setting(curve, point),
                _rate(point.contamination),
                notation.percent(point.full),
                notation.decimal(point.hardness),
                notation.decimal((audit.naive.hardness or 0.0) - (point.hardness or 0.0)),
                notation.decimal(point.rank, 1),
            ]
            for curve, point in cheapest(audit)
        ]
        rows += _bounding(audit)
    return {
        "columns": [{"title": title, "text": title in {"Teacher", "Setting"}} for title in titles],
        "rows": [{"cells": row, "strong": False} for row in rows],
    }


def _bounding(audit: TeacherAudit) -> list[list[str]]:
    """Say how hard negatives stay if half of the false ones go, and nothing else, or everything at random."""
    if audit.naive.contamination is None or not audit.naive.contamination.value:
        return []
    half = audit.naive.contamination.value / 2.0
    found = []
    for name, line in (("oracle, between its points", audit.oracle), ("random removal, likewise", audit.random)):
        hardness = hardness_at(line, half)
        lost = None if hardness is None else (audit.naive.hardness or 0.0) - hardness
        shown = (notation.percent(half), notation.DASH, notation.decimal(hardness), notation.decimal(lost))
        found.append([notation.plain(audit.teacher), name, *shown, notation.DASH])
    return found


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return notation.DASH
    low, high = (notation.decimal(100.0 * end, 1) for end in (rate.low, rate.high))
    return f"{notation.percent(rate.value)} [{low}, {high}]"


def _name(item: StrategyAudit) -> str:
    """Write the name with the value of the parameter that makes the strategy stricter."""
    given = next((item.params[name] for name in STRICTNESS if item.params.get(name) is not None), None)
    return f"{notation.plain(item.miner)} ({given})" if isinstance(given, int | float) else notation.plain(item.miner)


def _verdict(item: StrategyAudit) -> str:
    return "" if item.verdict in {"control", "unknown"} else item.verdict


def _headline_columns(*, judged: bool) -> list[_Column]:
    columns = [
        _Column("Strategy", _name, text=True),
        _Column("Contamination [95 %]", lambda item: _rate(item.contamination)),
        _Column("By chance", lambda item: notation.percent(item.chance)),
    ]
    if judged:
        columns += [
            _Column("Unknown", lambda item: notation.percent(_unknown(item))),
            _Column("Bounds", _bounds),
        ]
    return [
        *columns,
        _Column("Recall", lambda item: notation.percent(item.naive.recall)),
        _Column("Precision", lambda item: notation.percent(item.naive.precision)),
        _Column("Full", lambda item: notation.percent(item.full / item.pairs if item.pairs else None)),
        _Column("Hardness", lambda item: notation.decimal(item.hardness)),
        _Column("Rank", lambda item: notation.decimal(item.rank, 1)),
        _Column("Verdict", _verdict, text=True),
    ]


def _unknown(item: StrategyAudit) -> float | None:
    return item.counted.unknown / item.counted.total if item.counted.total else None


def _bounds(item: StrategyAudit) -> str:
    if item.bounds is None:
        return notation.DASH
    low, high = (notation.decimal(100.0 * end, 1) for end in item.bounds)
    return f"{low} to {high} %"


_FURTHER = (
    _Column("Strategy", lambda item: notation.plain(item.miner), text=True),
    _Column("Recall", lambda item: notation.percent(item.pool.recall)),
    _Column("Precision", lambda item: notation.percent(item.pool.precision)),
    _Column("Base rate", lambda item: notation.percent(item.pool.base_rate)),
    _Column("Partial", lambda item: notation.count(item.partial)),
    _Column("Empty", lambda item: notation.count(item.empty)),
    _Column("Overlap", lambda item: notation.decimal(item.overlap, 2)),
    _Column("AUC", lambda item: notation.decimal(item.auc, 2)),
    _Column("OPIS", lambda item: notation.decimal(item.opis)),
    _Column("ECI (exp.)", lambda item: notation.decimal(item.eci)),
)
