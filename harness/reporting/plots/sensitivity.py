"""The metric and the contamination over one numeric setting, for arms that differ in nothing else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import JsonValue

from harness.fingerprint import canonical
from harness.reporting import notation
from harness.reporting.figures import GREY, drawing_style
from harness.reporting.plots.layout import Margins, few_ticks, log_scale, panel_grid, panel_title, quiet, style_of
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.styles import Styles
from harness.reporting.tables import Analysis, ArmRow, DatasetTable
from harness.spec import ArmSpec
from harness.stats import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Point",
    "Sensitivity",
    "Series",
    "compute",
    "draw_sensitivity",
    "numeric_settings",
    "sensitivity_caption",
    "sensitivity_rows",
]

_FEWEST = 3
_ACROSS = 3
_MOST = 6
_WIDE = 20.0
"""A ratio of the largest to the smallest value above which the axis is logarithmic."""
_PARTS = ("mining.", "training.")


@dataclass(frozen=True)
class Point:
    """One arm at one value of the setting; `judged` is False for points of a search that dev did not choose."""

    arm: str
    value: float
    score: Interval
    contamination: float | None
    judged: bool


@dataclass(frozen=True)
class Series:
    """Arms that differ in `setting` alone, by its value; `of` names what it is a setting of, with its teacher."""

    setting: str
    of: str
    family: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Sensitivity:
    """All series on one dataset, longest first; `baseline` has the score and the contamination of that arm."""

    dataset: str
    metric: str
    series: tuple[Series, ...]
    baseline: tuple[str, float, float | None] | None
    shown: int


def compute(analysis: Analysis) -> tuple[Sensitivity, ...]:
    """Return the series of every dataset where at least three arms differ in one numeric setting only."""
    found = []
    for table in analysis.tables:
        series = sorted(_series(analysis, table), key=lambda one: -len(one.points))
        if series:
            metric = notation.METRICS[analysis.results.plan.metric]
            shown = min(len(series), _MOST)
            found.append(Sensitivity(table.dataset, metric, tuple(series), _baseline(analysis, table), shown))
    return tuple(found)


def _baseline(analysis: Analysis, table: DatasetTable) -> tuple[str, float, float | None] | None:
    row = table.row(analysis.results.baseline) if analysis.results.baseline is not None else None
    return None if row is None or row.score is None else (row.arm, row.score.mean, row.contamination)


def _series(analysis: Analysis, table: DatasetTable) -> Iterator[Series]:
    groups: dict[tuple[str, str], list[tuple[float, ArmRow]]] = {}
    for row in table.rows:
        arm = analysis.results.cells[row.arm, table.dataset].arm
        for setting, value, rest in numeric_settings(arm) if row.score is not None else ():
            groups.setdefault((setting, rest), []).append((value, row))
    for (setting, _), members in groups.items():
        if len({value for value, _ in members}) >= _FEWEST:
            ordered = sorted(members, key=lambda member: member[0])
            points = tuple(
                Point(row.arm, value, row.score, row.contamination, not row.searched)
                for value, row in ordered
                if row.score is not None
            )
            first = ordered[0][1]
            arm = analysis.results.cells[first.arm, table.dataset].arm
            yield Series(setting.rpartition(".")[2], _owner(arm, setting), first.family, points)


def numeric_settings(arm: ArmSpec) -> Iterator[tuple[str, float, str]]:
    """Yield each numeric setting of an arm's mining and training: its dotted key, its value, and all else as text.

    Arms of which key and all else agree differ in this setting only.
    """
    leaves = dict(_leaves(arm.model_dump(mode="json", exclude={"name"})))
    for key, value in leaves.items():
        if key.startswith(_PARTS) and isinstance(value, int | float) and not isinstance(value, bool):
            yield key, float(value), canonical({other: leaves[other] for other in leaves if other != key})


def _leaves(content: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _owner(arm: ArmSpec, setting: str) -> str:
    """Name what a setting belongs to: the miner or loss and its teacher, or the training."""
    miner = "" if arm.mining is None else arm.mining.miner.name
    loss = "" if arm.training is None else arm.training.loss.name
    subject = loss if ".loss." in setting else (miner or loss)
    return subject if arm.mining is None else f"{subject}, teacher {arm.mining.teacher.label}"


def draw_sensitivity(data: Sensitivity, styles: Styles) -> "Figure":
    """Draw two aligned panels per series: the metric with intervals above, the contamination below."""
    series = data.series[: data.shown]
    across = min(_ACROSS, len(series))
    bands = -(-len(series) // across)
    with drawing_style():
        figure, places = panel_grid(
            2 * bands * across, across=across, height=0.95, margins=Margins(0.62, 0.15, 0.45, 0.3, 0.3, (0.12, 0.85))
        )
        limits = _limits(data)
        for place, one in enumerate(series):
            band, column = divmod(place, across)
            upper, lower = (places[(2 * band + part) * across + column] for part in (0, 1))
            _draw_series(upper, lower, one, style_of(styles, one.family))
            _draw_baseline(upper, lower, data)
            upper.set_ylim(*limits[0])
            lower.set_ylim(*limits[1])
            if column == 0:
                upper.set_ylabel(data.metric)
                lower.set_ylabel("contam. (%)")
            else:
                upper.tick_params(labelleft=False)
                lower.tick_params(labelleft=False)
        for axes in places:
            axes.set_visible(axes.has_data())
    return figure


def _limits(data: Sensitivity) -> tuple[tuple[float, float], tuple[float, float]]:
    """Bound both axes for all series: by every interval, and from zero to the most contaminated arm."""
    points = [point for one in data.series[: data.shown] for point in one.points]
    scores = [end for point in points for end in (point.score.low, point.score.high)]
    dirty = [point.contamination or 0.0 for point in points]
    if data.baseline is not None:
        scores.append(data.baseline[1])
        dirty.append(data.baseline[2] or 0.0)
    margin = 0.06 * (max(scores) - min(scores)) or 0.01
    most = 100.0 * max(dirty) or 1.0
    return (min(scores) - margin, max(scores) + margin), (-0.06 * most, 1.1 * most)


def _draw_series(upper: "Axes", lower: "Axes", one: Series, style: tuple[str, str]) -> None:
    colour, marker = style
    values = [point.value for point in one.points]
    for axes in (upper, lower):
        if min(values) > 0 and max(values) > _WIDE * min(values):
            log_scale(axes, min(values), max(values))
        else:
            few_ticks(axes, 4)
        quiet(axes)
    upper.plot(values, [point.score.mean for point in one.points], color=colour, linewidth=0.9)
    dirty = [(point.value, point.contamination) for point in one.points if point.contamination is not None]
    lower.plot([value for value, _ in dirty], [100.0 * share for _, share in dirty], color=colour, linewidth=0.9)
    for point in one.points:
        fill = colour if point.judged else "white"
        upper.plot([point.value] * 2, [point.score.low, point.score.high], color=colour, linewidth=0.9, alpha=0.6)
        upper.plot(point.value, point.score.mean, marker, color=colour, markersize=4.5, markerfacecolor=fill)
        if point.contamination is not None:
            share = 100.0 * point.contamination
            lower.plot(point.value, share, marker, color=colour, markersize=4.5, markerfacecolor=fill)
    upper.tick_params(labelbottom=False)
    lower.set_xlim(*upper.get_xlim())
    panel_title(upper, one.setting, one.of, style)


def _draw_baseline(upper: "Axes", lower: "Axes", data: Sensitivity) -> None:
    if data.baseline is None:
        return
    _, score, share = data.baseline
    upper.axhline(score, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0.9)
    if share is not None:
        lower.axhline(100.0 * share, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0.9)


def sensitivity_rows(data: Sensitivity) -> Rows:
    """Return one row per series and arm, of all series."""
    return [
        {
            "series": str(place),
            "setting": text(one.setting),
            "of": text(one.of),
            "arm": text(point.arm),
            "value": number(point.value),
            "score": number(point.score.mean),
            "low": number(point.score.low),
            "high": number(point.score.high),
            "contamination": number(point.contamination),
        }
        for place, one in enumerate(data.series, 1)
        for point in one.points
    ]


def sensitivity_caption(data: Sensitivity) -> tuple[str, str]:
    """Return what the figure shows for those who cannot see it, and its caption."""
    said = []
    for one in data.series[: data.shown]:
        best = max(one.points, key=lambda point: point.score.mean)
        span = f"{one.points[0].value:g} to {one.points[-1].value:g}"
        said.append(f"{one.setting} of {notation.plain(one.of)} from {span}: highest at {best.value:g}")
    name = "" if data.baseline is None else f" Dashed: {notation.plain(data.baseline[0])}, the baseline."
    hollow = any(not point.judged for one in data.series for point in one.points)
    caption = (
        f"{data.metric} on test with 95 % intervals over queries (above) and contamination (below) on "
        f"{notation.plain(data.dataset)}, over one setting at a time, all else equal.{name}"
    )
    if hollow:
        caption += " Hollow: points of a search that dev did not choose; the test split decided nothing."
    if len(data.series) > data.shown:
        caption += f" {len(data.series) - data.shown:,} further series are in the CSV beside it."
    return f"Metric and contamination over settings. {'; '.join(said)}.", caption
