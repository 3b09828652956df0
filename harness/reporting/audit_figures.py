"""Draw the figures of an audit: trade-off curves, score distributions, agreement of teachers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.audit.curves import serves
from harness.audit.records import Agreement, Curve, LinePoint, Rate, StrategyAudit, TeacherAudit
from harness.reporting import notation
from harness.reporting.figures import (
    FAINT,
    GREY,
    INK,
    WIDTH,
    draw_panel,
    drawing_style,
    finish_panels,
    new_figure,
    shown_name,
)
from harness.reporting.points import Panel, densities, grouped

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_agreement", "draw_distributions", "draw_tradeoffs"]

_ACROSS = 5
_PANEL_HEIGHT = 1.04
_DARK = 0.55
_PEAK = 2.5
_NONE = Rate(value=0.0, low=0.0, high=0.0)

Styles = dict[str, tuple[str, str]]


def draw_tradeoffs(teachers: Sequence[TeacherAudit], styles: Styles) -> "Figure":
    """Draw one panel per teacher: contamination against hardness for every setting, with bounds and frontier."""
    with drawing_style():
        columns = min(2, len(teachers))
        rows = -(-len(teachers) // columns)
        figure = new_figure(WIDTH if columns > 1 else 4.6, 0.72 + 2.25 * rows)
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for place, teacher in zip(grid.flat, teachers, strict=False):
            _tradeoff(place, teacher, styles)
        for place in grid.flat[len(teachers) :]:
            place.set_visible(False)
        for line in grid:
            line[0].set_ylabel("contamination (%)")
        figure.supxlabel("hardness: mean teacher score of a negative less its positive's", fontsize=8)
        handles: dict[str, Artist] = {}
        for axes in figure.axes:
            found, names = axes.get_legend_handles_labels()
            handles.update({str(name): handle for handle, name in zip(found, names, strict=True)})
        figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside upper center",
            ncols=4 if columns > 1 else 3,
            frameon=False,
            fontsize=7,
        )
    return figure


def _tradeoff(axes: "Axes", audit: TeacherAudit, styles: Styles) -> None:
    everything = [audit.naive, *(point for curve in audit.curves for point in curve.points if point.frontier)]
    frontier = sorted(_place(point) for point in everything if _drawn(point))
    axes.plot(*_columns(frontier), color=FAINT, linewidth=5, solid_joinstyle="round", label="frontier", zorder=0)
    for line, dash, name in ((audit.random, (0, (1, 1.5)), "random removal"), (audit.oracle, (0, (5, 2)), "oracle")):
        axes.plot(*_columns(_places(line)), color=INK, linewidth=1.0, linestyle=dash, label=name, zorder=1)
    for curve in audit.curves:
        _curve(axes, curve, audit.naive, styles[curve.miner])
    if _drawn(audit.naive):
        axes.plot(*_place(audit.naive), "*", color=INK, markersize=10, label="naive top-k", zorder=5, clip_on=False)
    _limits(axes, audit)
    axes.set_title(shown_name(audit.teacher, 48), fontsize=8, loc="left", color=INK, fontweight="bold")
    axes.grid(color=FAINT, linewidth=0.4)
    axes.set_axisbelow(True)


def _curve(axes: "Axes", curve: Curve, naive: LinePoint, style: tuple[str, str]) -> None:
    """Draw a curve: hollow where too few pairs are served, ringed at the setting that was asked for."""
    colour, marker = style
    points = [point for point in curve.points if _drawn(point)]
    axes.plot(*_columns([_place(point) for point in points]), color=colour, linewidth=0.9, alpha=0.8)
    for served in (False, True):
        some = [_place(point) for point in points if serves(point, naive) is served]
        axes.plot(
            *_columns(some),
            marker,
            color=colour,
            markerfacecolor=colour if served else "white",
            markersize=3.2,
            markeredgewidth=0.8,
            label=shown_name(curve.miner, 24) if served else None,
        )
    for point in points:
        if point.value == curve.given:
            axes.plot(*_place(point), marker, color=INK, markerfacecolor="none", markersize=8, markeredgewidth=1.1)


def _limits(axes: "Axes", audit: TeacherAudit) -> None:
    """Show what was asked for and all that leaves a twentieth of the naive contamination; the rest runs out."""
    least = 0.0 if audit.naive.contamination is None else audit.naive.contamination.value / 20.0
    shown = [
        point
        for curve in audit.curves
        for point in curve.points
        if serves(point, audit.naive) and (point.value == curve.given or (point.contamination or _NONE).value >= least)
    ]
    across = [_place(point)[0] for point in [audit.naive, *audit.oracle, *shown] if _drawn(point)]
    if across:
        margin = 0.05 * (max(across) - min(across)) or 0.05
        axes.set_xlim(min(across) - margin, max(across) + margin)
    axes.set_ylim(0.0, 1.06 * axes.get_ylim()[1])


def _drawn(point: LinePoint) -> bool:
    return point.contamination is not None and point.hardness is not None


def _place(point: LinePoint) -> tuple[float, float]:
    """Return hardness and contamination in percent."""
    return point.hardness or 0.0, 100.0 * point.contamination.value if point.contamination is not None else 0.0


def _places(points: Sequence[LinePoint]) -> list[tuple[float, float]]:
    return [_place(point) for point in points if _drawn(point)]


def _columns(places: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [across for across, _ in places], [up for _, up in places]


def draw_distributions(audit: TeacherAudit) -> "Figure":
    """Draw one panel per strategy on common axes: positives, kept negatives, removed, hidden positives."""
    panels = [
        Panel(item.miner, np.asarray(item.histograms.edges), densities(item.histograms), _caption(item))
        for item in audit.strategies
    ]
    data = grouped("", audit.teacher, panels)
    shown = [panel for page in data for panel in page.panels]
    top = _top(shown)
    with drawing_style():
        columns = min(_ACROSS, len(shown))
        rows = -(-len(shown) // columns)
        figure = new_figure(max(4.4, WIDTH * columns / _ACROSS), 0.75 + _PANEL_HEIGHT * rows)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for place, panel in zip(grid.flat, shown, strict=False):
            draw_panel(place, panel)
            place.set_title(place.get_title(loc="left"), fontsize=7, loc="left", pad=22, fontweight="bold", color=INK)
            place.texts[0].set_fontsize(6)
            place.set_xlim(data[0].low, data[0].high)
            place.set_ylim(0.0, top)
        for place in grid.flat[len(shown) :]:
            place.set_visible(False)
        for column in range(columns):
            grid[(len(shown) - 1 - column) // columns, column].tick_params(labelbottom=True)
        finish_panels(figure, audit.teacher)
    return figure


def _top(panels: Sequence[Panel]) -> float:
    """Bound the common axis: a strategy with hardly any negatives would flatten all else with its peaks."""
    of_truth = [
        panel.density[kind].max() for panel in panels for kind in ("positive", "hidden") if kind in panel.density
    ]
    highest = max((float(density.max()) for panel in panels for density in panel.density.values()), default=1.0)
    return 1.04 * min(highest, _PEAK * float(max(of_truth, default=highest)))


def _caption(item: StrategyAudit) -> str:
    found = item.contamination.value if item.contamination is not None else None
    return (
        f"contamination {notation.percent(found)}\n"
        f"overlap {notation.decimal(item.overlap, 2)}, AUC {notation.decimal(item.auc, 2)}"
    )


def draw_agreement(data: Agreement) -> "Figure":
    """Draw the mean Jaccard index of every two teachers' naive negatives as a heat map with its numbers."""
    with drawing_style():
        names = [shown_name(name, 24) for name in data.teachers]
        size = 0.62 * len(names)
        figure = new_figure(1.9 + size, 0.75 + size)
        axes = figure.subplots()
        values = np.array([[np.nan if cell is None else cell for cell in line] for line in data.jaccard])
        axes.imshow(values, cmap="Blues", vmin=0.0, vmax=1.0)
        for row, line in enumerate(data.jaccard):
            for column, cell in enumerate(line):
                colour = "white" if cell is not None and cell > _DARK else INK
                axes.text(column, row, notation.decimal(cell, 2), ha="center", va="center", color=colour)
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_xlabel("Jaccard index of naive negatives", color=GREY)
    return figure
