"""Draw the figures of a report from data that is already computed; vector, deterministic, no pyplot."""

import io
import textwrap
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from harness.record import RunRecord
from harness.reporting import labels, notation
from harness.reporting.points import KINDS, Forest, ForestPoint, Panel, Panels, Scatter, densities, grouped
from harness.reporting.styles import Styles

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "draw_forest",
    "draw_panels",
    "draw_scatter",
    "score_distribution_figure",
    "to_png",
    "to_svg",
]

INK, GREY, FAINT = "#1a1a1a", "#6b6b6b", "#d5d5d5"
WIDTH = 6.5
_NAME = 34
_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "winnow",
    "text.parse_math": False,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.major.width": 0.6,
}


def shown_name(text: str, most: int = _NAME) -> str:
    shown = _drawable(notation.plain(text))
    return shown if len(shown) <= most else shown[: most - 1] + "…"


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(findfont("DejaVu Sans")).get_charmap())


def _drawable(text: str) -> str:
    """Put a box in place of each character that the figures' font lacks."""
    return "".join(character if ord(character) in _glyphs() else "□" for character in text) or " "


def drawing_style() -> AbstractContextManager[None]:
    import matplotlib as mpl

    return mpl.rc_context(_RC)  # type: ignore[arg-type]  # its keys are literals there


def new_figure(width: float, height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def to_svg(figure: "Figure") -> bytes:
    """Return the figure as SVG whose text is text; the same bytes every time."""
    stream = io.BytesIO()
    with drawing_style():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": "Winnow"})
    return stream.getvalue()


def to_png(figure: "Figure", dpi: int = 200) -> bytes:
    """Return the figure as PNG; the same bytes every time."""
    stream = io.BytesIO()
    with drawing_style():
        figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


def draw_forest(data: Forest, styles: Styles) -> "Figure":
    """Draw one line per arm, best on top: filled where beyond noise, hollow within it, an arrow where off scale."""
    with drawing_style():
        figure = new_figure(WIDTH, 0.62 + 0.2 * max(2, len(data.points)))
        axes = figure.subplots()
        for height, point in enumerate(reversed(data.points)):
            _forest_line(axes, data, point, float(height), styles[point.family])
        if data.reference is not None:
            axes.axvline(data.reference, color=GREY, linewidth=0.9, zorder=0.9)
        axes.set_xlim(data.low, data.high)
        axes.set_ylim(-0.7, len(data.points) - 0.3)
        axes.set_yticks(range(len(data.points)), [shown_name(point.arm) for point in reversed(data.points)])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=FAINT, linewidth=0.4)
        axes.set_axisbelow(True)
        axes.set_xlabel("\n".join(textwrap.wrap(_drawable(data.axis), 80)))
    return figure


def _forest_line(axes: "Axes", data: Forest, point: ForestPoint, height: float, style: tuple[str, str]) -> None:
    colour, marker = style
    fill = colour if point.sure else "white"
    value = point.value
    if data.low <= value.mean <= data.high:
        axes.plot([value.low, value.high], [height, height], color=colour, linewidth=1.2, solid_capstyle="butt")
        axes.plot(value.mean, height, marker, color=colour, markerfacecolor=fill, markersize=5, markeredgewidth=1.1)
    else:
        inset = 0.015 * (data.high - data.low)
        edge, arrow = (data.low + inset, "<") if value.mean < data.low else (data.high - inset, ">")
        axes.plot(edge, height, arrow, color=colour, markerfacecolor=fill, markersize=6, clip_on=False)
    text = notation.signed(value.mean) if data.reference is not None else notation.decimal(value.mean)
    note = f" ({point.note})" if point.note else ""
    axes.annotate(
        text + note,
        (1.0, height),
        xycoords=("axes fraction", "data"),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        color=INK if point.sure else GREY,
        annotation_clip=False,
    )


def draw_scatter(data: Scatter, styles: Styles) -> "Figure":
    """Draw score against contamination with intervals and a label at each point."""
    with drawing_style():
        figure = new_figure(WIDTH, 3.7)
        axes = figure.subplots()
        for point in data.points:
            colour, marker = styles[point.family]
            x, score = 100.0 * point.contamination, point.score
            axes.plot([x, x], [score.low, score.high], color=colour, linewidth=0.9, alpha=0.55)
            axes.plot(x, score.mean, marker, color=colour, markersize=5.5)
        for name, level in data.levels:
            axes.axhline(level, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
            axes.annotate(
                "\n".join(textwrap.wrap(shown_name(name), 16)),
                (1.0, level),
                (4, 0),
                ("axes fraction", "data"),
                "offset points",
                va="center",
                color=GREY,
                annotation_clip=False,
            )
        axes.set_xlabel("contamination: share of mined negatives that are hidden positives (%)")
        axes.set_ylabel(data.axis)
        axes.margins(0.09, 0.08)
        texts = [shown_name(point.arm, 26) for point in data.points]
        labels.place(axes, [(100.0 * p.contamination, p.score.mean) for p in data.points], texts, INK)
    return figure


@dataclass(frozen=True)
class _Kind:
    name: str
    edge: str
    width: float
    face: str | None = None
    dash: str | tuple[float, tuple[float, ...]] = "-"


_KINDS = {
    "positive": _Kind("positives", "#0072B2", 0.8, face="#bcd9ea"),
    "removed": _Kind("removed by the miner's filter", "#9a9a9a", 0.7),
    "hidden": _Kind("hidden positives", INK, 1.0, dash=(0, (3, 1.5))),
    "negative": _Kind("mined negatives", "#D55E00", 1.5),
}
"""From the back to the front; told apart by fill, dash and width as well as by colour."""
_PANEL_WIDTHS = (4.4, 5.2, WIDTH)


def draw_panels(data: Panels) -> "Figure":
    """Draw one panel per arm on common axes: positives filled, negatives bold, hidden dashed, removed thin."""
    with drawing_style():
        columns = min(3, len(data.panels))
        rows = -(-len(data.panels) // columns)
        figure = new_figure(_PANEL_WIDTHS[columns - 1], 0.75 + 1.55 * rows)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for place, panel in zip(grid.flat, data.panels, strict=False):
            draw_panel(place, panel)
            place.set_xlim(data.low, data.high)
            place.set_ylim(0.0, data.top)
        for place in grid.flat[len(data.panels) :]:
            place.set_visible(False)
        for column in range(columns):
            lowest = (len(data.panels) - 1 - column) // columns
            grid[lowest, column].tick_params(labelbottom=True)
        finish_panels(figure, data.teacher)
    return figure


def draw_densities(axes: "Axes", panel: Panel) -> None:
    """Draw the densities of one panel, without a vertical axis: only their shapes are compared."""
    for kind, style in _KINDS.items():
        if kind in panel.density:
            axes.stairs(
                panel.density[kind],
                panel.edges,
                label=style.name,
                fill=style.face is not None,
                facecolor=style.face,
                edgecolor=style.edge,
                linewidth=style.width,
                linestyle=style.dash,
            )
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def draw_panel(axes: "Axes", panel: Panel) -> None:
    draw_densities(axes, panel)
    name = textwrap.wrap(shown_name(panel.arm, 48), 24)[:2]
    axes.set_title("\n".join(name) or " ", fontsize=8, loc="left", pad=25, color=INK, fontweight="bold")
    axes.annotate(panel.caption, (0.0, 1.0), (0, 4), "axes fraction", "offset points", fontsize=7, color=INK)


def finish_panels(figure: "Figure", teacher: str) -> None:
    handles: dict[str, Artist] = {}
    for axes in figure.axes:
        handles.update({str(name): handle for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)})
    names = [_KINDS[kind].name for kind in KINDS if _KINDS[kind].name in handles]
    across = 4 if figure.get_figwidth() >= WIDTH else 2
    figure.supxlabel(f"score by teacher {shown_name(teacher, 80)}", fontsize=8)
    found = [handles[name] for name in names]
    figure.legend(found, names, loc="outside upper center", ncols=across, frameon=False, fontsize=7.5)


def score_distribution_figure(record: RunRecord) -> bytes | None:
    """Return the score distributions of one run as PNG, or None if it was not audited."""
    import numpy as np

    if record.audit is None:
        return None
    audit, mining = record.audit, record.spec.arm.mining
    caption = (
        f"overlap {notation.decimal(audit.overlap, 2)}, AUC {notation.decimal(audit.auc, 2)}\n"
        f"contamination {notation.percent(audit.contamination)}"
    )
    panel = Panel(record.spec.arm.name, np.asarray(audit.histograms.edges), densities(audit.histograms), caption)
    teacher = mining.teacher.label if mining is not None else "unknown"
    return to_png(draw_panels(grouped("", teacher, [panel])[0]))
