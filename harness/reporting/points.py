"""What the figures show, as data: computed here, drawn elsewhere, kept beside each figure as CSV."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.record import Histograms
from harness.reporting import notation
from harness.reporting.results import Results
from harness.reporting.tables import Analysis, ArmRow, DatasetTable
from harness.stats import Interval

__all__ = [
    "KINDS",
    "Forest",
    "ForestPoint",
    "Panel",
    "Panels",
    "Scatter",
    "ScatterPoint",
    "densities",
    "forest",
    "grouped",
    "overall_forest",
    "panels",
    "scatter",
]

KINDS = ("positive", "negative", "hidden", "removed")
_OFF_SCALE = 4.0
_HEADLINE_ARMS = 12
_PANELS_A_FIGURE = 12

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ForestPoint:
    """One arm's difference (or mean) with its interval; `sure` if beyond noise."""

    arm: str
    family: str
    value: Interval
    sure: bool
    note: str


@dataclass(frozen=True)
class Forest:
    """Points sorted best first; `low` and `high` bound the axis, beyond which points are arrows.

    `reference` is 0 for differences, None for means.
    """

    title: str
    axis: str
    points: tuple[ForestPoint, ...]
    low: float
    high: float
    reference: float | None


@dataclass(frozen=True)
class ScatterPoint:
    """One mining arm: contamination as a share, and its score."""

    arm: str
    family: str
    contamination: float
    score: Interval


@dataclass(frozen=True)
class Scatter:
    """Contamination against score; `levels` are trained arms without mined negatives, by name."""

    axis: str
    points: tuple[ScatterPoint, ...]
    levels: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Panel:
    """Score densities of one arm, by kind; each integrates to one over the edges."""

    arm: str
    edges: FloatArray
    density: dict[str, FloatArray]
    caption: str


@dataclass(frozen=True)
class Panels:
    """Panels of arms mined with one teacher on one dataset; `low`, `high` and `top` bound the axes of all of them."""

    dataset: str
    teacher: str
    panels: tuple[Panel, ...]
    low: float
    high: float
    top: float


def overall_forest(analysis: Analysis) -> Forest:
    """Return the headline figure's data: over all datasets, or on the only one."""
    if len(analysis.tables) == 1:
        return _highest(forest(analysis, analysis.tables[0]))
    differences = analysis.results.baseline is not None
    points = []
    for row in analysis.overall:
        value = row.difference if differences else row.score
        known = [item for item in row.rows if item is not None]
        if value is not None:
            verdicts = [item.versus.verdict for item in known if item.versus is not None]
            sure = bool(verdicts) and all(verdict in {"better", "worse"} for verdict in verdicts)
            points.append(ForestPoint(row.arm, known[0].family, value, sure, ""))
    return _highest(_forest(analysis, f"mean over {len(analysis.tables)} datasets", points))


def _highest(data: Forest) -> Forest:
    """Keep the arms that fit on page one."""
    if len(data.points) <= _HEADLINE_ARMS:
        return data
    return replace(data, title=f"{data.title}; the {_HEADLINE_ARMS} highest", points=data.points[:_HEADLINE_ARMS])


def forest(analysis: Analysis, table: DatasetTable) -> Forest:
    """Return differences to the baseline on one dataset, or means where there is no baseline."""
    differences = analysis.results.baseline is not None
    points = []
    for row in table.rows:
        value = row.difference if differences else row.score
        if value is not None:
            sure = row.versus is not None and row.versus.verdict in {"better", "worse"}
            note = "" if row.versus is None or row.versus.planned else "exploratory"
            points.append(ForestPoint(row.arm, row.family, value, sure, note))
    return _forest(analysis, table.dataset, points)


def _forest(analysis: Analysis, title: str, points: list[ForestPoint]) -> Forest:
    label, baseline = notation.METRICS[analysis.results.plan.metric], analysis.results.baseline
    points = sorted(points, key=lambda point: -point.value.mean)
    axis = label if baseline is None else f"difference in {label} to {notation.plain(baseline)}"
    low, high = _limits(points, 0.0 if baseline is not None else None)
    return Forest(notation.plain(title), axis, tuple(points), low, high, None if baseline is None else 0.0)


def _limits(points: list[ForestPoint], reference: float | None) -> tuple[float, float]:
    """Bound the axis by the points near the middle one, so that an outlier does not flatten the rest."""
    if not points:
        return -1.0, 1.0
    middle = float(np.median([point.value.mean for point in points])) if reference is None else reference
    reach = {point: max(abs(point.value.low - middle), abs(point.value.high - middle)) for point in points}
    most = _OFF_SCALE * float(np.median(list(reach.values())))
    near = [point for point in points if reach[point] <= most]
    ends = [end for point in near for end in (point.value.low, point.value.high)] + (
        [] if reference is None else [reference]
    )
    margin = 0.06 * (max(ends) - min(ends)) or 0.01
    return min(ends) - margin, max(ends) + margin


def scatter(analysis: Analysis, table: DatasetTable) -> Scatter:
    """Return contamination against score of the trained arms on one dataset."""
    points = tuple(
        ScatterPoint(row.arm, row.family, row.contamination, row.score)
        for row in table.rows
        if row.contamination is not None and row.score is not None
    )
    levels = tuple(
        (row.arm, row.score.mean)
        for row in table.rows
        if row.family == "in-batch" and row.score is not None and row.contamination is None
    )
    return Scatter(notation.METRICS[analysis.results.plan.metric], points, levels)


def panels(analysis: Analysis) -> list[Panels]:
    """Return the score distributions of every audited arm, best first, grouped by dataset and teacher."""
    groups: dict[tuple[str, str, tuple[float, ...]], list[Panel]] = {}
    for table in analysis.tables:
        for row in table.rows:
            mining = analysis.results.cells[row.arm, table.dataset].arm.mining
            histograms = _histograms(analysis.results, row, table.dataset)
            if mining is not None and histograms is not None:
                panel = Panel(row.arm, np.asarray(histograms.edges), densities(histograms), _caption(row))
                groups.setdefault((table.dataset, mining.teacher.label, histograms.edges), []).append(panel)
    return [group for (dataset, teacher, _), found in groups.items() for group in grouped(dataset, teacher, found)]


def grouped(dataset: str, teacher: str, found: list[Panel]) -> list[Panels]:
    """Give panels of equal edges common axes, and split them so that a figure fits its page."""
    edges = found[0].edges
    used = np.any([density > 0 for panel in found for density in panel.density.values()] or [edges[1:] > edges], axis=0)
    inside = np.flatnonzero(used)
    low, high = float(edges[inside[0]]), float(edges[inside[-1] + 1])
    # a filter that removes a narrow band would dwarf everything else: its outline may leave the panel
    shown = [density for panel in found for kind, density in panel.density.items() if kind != "removed"]
    top = 1.04 * max((float(density.max()) for density in shown), default=1.0)
    starts = range(0, len(found), _PANELS_A_FIGURE)
    pages = [tuple(found[start : start + _PANELS_A_FIGURE]) for start in starts]
    return [Panels(dataset, teacher, page, low, high, top) for page in pages]


def _histograms(results: Results, row: ArmRow, dataset: str) -> Histograms | None:
    """Add up the counts of an arm's seeds; seeds with other edges than the first are left out."""
    audits = [run.audit for run in results.cells[row.arm, dataset].runs if run.audit is not None]
    if not audits:
        return None
    edges = audits[0].histograms.edges
    counts: dict[str, FloatArray] = {}
    for audit in audits:
        for kind, numbers in audit.histograms.counts.items() if audit.histograms.edges == edges else ():
            counts[kind] = counts.get(kind, np.zeros(len(edges) - 1)) + np.asarray(numbers)
    return Histograms.model_validate(
        {"edges": edges, "counts": {kind: tuple(int(n) for n in total) for kind, total in counts.items()}}
    )


def densities(histograms: Histograms) -> dict[str, FloatArray]:
    """Normalise counts so that each kind integrates to one; kinds without any are left out."""
    width = np.diff(np.asarray(histograms.edges))
    found = {kind: np.asarray(histograms.counts.get(kind, ()), dtype=np.float64) for kind in KINDS}  # type: ignore[call-overload]
    return {kind: counts / (counts.sum() * width) for kind, counts in found.items() if counts.sum() > 0}


def _caption(row: ArmRow) -> str:
    return (
        f"overlap {notation.decimal(row.overlap, 2)}, AUC {notation.decimal(row.auc, 2)}\n"
        f"contamination {notation.percent(row.contamination)}"
    )
