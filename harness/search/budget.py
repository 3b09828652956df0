"""What the points of a search have cost, and whether the next one may be begun."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.record import RunRecord, record_of
from harness.spec import BudgetSpec, PlannedRun
from harness.sweep_files import Point

__all__ = ["refusal", "seconds_of"]

_HOUR = 3600.0


def refusal(budget: BudgetSpec, points: Sequence[Point], runs: Sequence[PlannedRun], folder: Path) -> str:
    """Say which limit a point that consists of `runs` would exceed after `points`; empty if none.

    A run that several points share is paid for once, one that has finished already not
    again. Hours of the next point are taken to be the mean of those before it: the first
    is always begun.
    """
    before = {run.fingerprint: run for point in points for run in _carried_out(point)}
    new = {run.fingerprint for run in runs} - set(before)
    if not new or all(_is_finished(record_of(folder, run)) for run in runs):
        return ""
    if budget.runs is not None and len(before) + len(new) > budget.runs:
        return f"its budget of {budget.runs} runs"
    if not points:
        return ""
    share = 1.0 + 1.0 / len(points)
    device = seconds_of(record_of(folder, run) for run in before.values())
    if budget.device_hours is not None and share * device > budget.device_hours * _HOUR:
        return f"its budget of {budget.device_hours:g} device hours"
    wall = sum(point.seconds or 0.0 for point in points)
    if budget.hours is not None and share * wall > budget.hours * _HOUR:
        return f"its budget of {budget.hours:g} hours"
    return ""


def seconds_of(records: Iterable[RunRecord | None]) -> float:
    """Return the seconds of work that records tell of, failed attempts included."""
    return sum(
        sum(record.timings.values()) + sum(attempt.seconds for attempt in record.earlier)
        for record in records
        if record is not None
    )


def _carried_out(point: Point) -> tuple[PlannedRun, ...]:
    return point.runs[: point.pruned_after] if point.pruned_after else point.runs


def _is_finished(record: RunRecord | None) -> bool:
    return record is not None and record.status == "finished"
