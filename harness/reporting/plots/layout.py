"""Place panels and rows in a figure by inches, since solving for many axes takes seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from harness.reporting import notation
from harness.reporting.figures import FAINT, GREY, INK, WIDTH, new_figure, shown_name
from harness.stats import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font

__all__ = [
    "Margins",
    "arrowhead",
    "axis_note",
    "category_ticks",
    "few_ticks",
    "fitted",
    "log_scale",
    "off_scale",
    "panel_grid",
    "panel_title",
    "quiet",
    "row_chart",
    "style_of",
    "text_width",
]

SMALL = 7.0
_NAMES = 2.3
"""The most inches that names beside rows take."""
_ALONE = 4.4
"""Width of a figure whose panels stand one below the other."""
_UNITS = 64.0
_INCH = 72.0
_LINE = 9.5
_SOME = 3
_FAR = 4.0
_TICKS = 7.5
"""Points of tick labels, as `quiet` has them."""
_BETWEEN = 0.06
"""Inches between names that stand side by side."""
_NARROW = 30.0
"""Axes that span less than this ratio have ticks at 1, 2 and 5."""

Styles = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Margins:
    """Inches around the panels, and between them; the gaps between rows, `down`, recur."""

    left: float = 0.5
    right: float = 0.12
    top: float = 0.3
    bottom: float = 0.45
    across: float = 0.18
    down: tuple[float, ...] = (0.6,)


def style_of(styles: Styles, family: str) -> tuple[str, str]:
    """Return the colour and marker of a family; those of no family where it has none."""
    return styles.get(family, (GREY, "o"))


@cache
def _font(*, bold: bool) -> "FT2Font":
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    return FT2Font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))


@cache
def text_width(text: str, size: float = 8.0, *, bold: bool = False) -> float:
    """Return how many inches wide `text` is on one line at `size` points."""
    font = _font(bold=bold)
    font.set_size(size, _INCH)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / _UNITS / _INCH


def fitted(name: str, inches: float, size: float = 8.0, *, bold: bool = False) -> str:
    """Return a name as it can be drawn, its middle left out where it is wider than `inches`.

    Names of one sweep often differ in their ends.
    """
    whole = shown_name(name, max(1, len(name)))
    shown = whole
    length = len(whole)
    while length > 1 and text_width(shown, size, bold=bold) > inches:
        length -= 1
        tail = length * 2 // 5
        shown = f"{whole[: length - tail].rstrip()}…{whole[len(whole) - tail :].lstrip()}"
    return shown


def panel_grid(
    count: int, *, across: int = 3, height: float = 1.0, margins: Margins | None = None
) -> "tuple[Figure, list[Axes]]":
    """Return a figure with `count` panels, row by row, each `height` inches high; few panels make it narrower."""
    room = margins or Margins()
    across = min(across, count)
    width = _ALONE if across == 1 else WIDTH
    return _placed(count, across, height, room, width)


def _placed(count: int, across: int, height: float, room: Margins, width: float) -> "tuple[Figure, list[Axes]]":
    down = -(-count // across)
    gaps = [room.down[row % len(room.down)] for row in range(down)]
    total = room.top + room.bottom + down * height + sum(gaps[:-1])
    panel = (width - room.left - room.right - (across - 1) * room.across) / across
    figure = new_figure(width, total)
    figure.set_layout_engine("none")
    panels = []
    for place in range(count):
        row, column = divmod(place, across)
        left = room.left + column * (panel + room.across)
        bottom = total - room.top - (row + 1) * height - sum(gaps[:row])
        panels.append(figure.add_axes((left / width, bottom / total, panel / width, height / total)))
    return figure, panels


def row_chart(
    names: Sequence[str], columns: int = 1, *, row: float = 0.19, margins: Margins | None = None
) -> "tuple[Figure, list[Axes]]":
    """Return a figure with one line per name, first on top, and `columns` panels that share the lines.

    Line i stands at height i from the top: the vertical axis is turned over.
    """
    shown = [fitted(name, _NAMES) for name in names]
    room = margins or Margins(across=0.25, top=0.3, bottom=0.5)
    beside = 0.12 + max((text_width(name) for name in shown), default=0.0)
    lines = max(2, len(names))
    inside = Margins(beside, room.right, room.top, room.bottom, room.across, room.down)
    figure, panels = _placed(columns, columns, row * lines, inside, WIDTH)
    for axes in panels:
        axes.set_ylim(lines - 0.4, -0.6)
        axes.set_yticks(range(len(names)), shown if axes is panels[0] else [""] * len(names))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        quiet(axes, "x")
    return figure, panels


def off_scale(values: Sequence[Interval]) -> tuple[float, float]:
    """Return axis ends that hold every interval but those far from the others, for which arrowheads stand."""
    middle = float(np.median([value.mean for value in values]))
    reach = [max(abs(value.low - middle), abs(value.high - middle)) for value in values]
    most = _FAR * float(np.median(reach))
    near = [value for value, far in zip(values, reach, strict=True) if far <= most]
    low, high = min(value.low for value in near), max(value.high for value in near)
    margin = 0.05 * (high - low) or 0.01
    return low - margin, high + margin


def arrowhead(axes: "Axes", value: float, line: float, colour: str, note: str = "") -> bool:
    """Draw an arrowhead with the value, or `note`, where it lies beyond the axis; tell whether it does."""
    low, high = axes.get_xlim()
    if low <= value <= high:
        return False
    left = value < low
    edge = low + 0.012 * (high - low) if left else high - 0.012 * (high - low)
    axes.plot(edge, line, "<" if left else ">", color=colour, markersize=5.5)
    axes.annotate(
        note or notation.decimal(value),
        (edge, line),
        (6 if left else -6, 0),
        textcoords="offset points",
        ha="left" if left else "right",
        va="center",
        fontsize=7.5,
        color=GREY,
    )
    return True


def quiet(axes: "Axes", which: str = "both") -> None:
    """Draw a faint grid behind everything, and small tick labels."""
    axes.grid(axis=which, color=FAINT, linewidth=0.4)  # type: ignore[arg-type]  # a literal there
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7.5)


def panel_title(axes: "Axes", name: str, note: str = "", style: tuple[str, str] | None = None) -> None:
    """Write a name over a panel, its method's marker before it, and smaller lines of `note` below it."""
    width, height = _inches(axes)
    lines = note.split("\n") if note else []
    lift, indent = 4.0 + _LINE * len(lines), 0.0
    if style is not None:
        indent = 9.0
        spot = (4.0 / _INCH / width, 1.0 + (lift + 3.0) / _INCH / height)
        axes.plot(*spot, style[1], color=style[0], markersize=4.5, transform=axes.transAxes, clip_on=False)
    _over(axes, fitted(name, width - indent / _INCH, bold=True), (indent, lift), 8.0, "bold")
    for place, line in enumerate(reversed(lines)):
        _over(axes, fitted(line, width, SMALL), (0.0, 4.0 + _LINE * place), SMALL, "normal")


def _inches(axes: "Axes") -> tuple[float, float]:
    figure = axes.get_figure(root=True)
    across, down = (1.0, 1.0) if figure is None else (figure.get_figwidth(), figure.get_figheight())
    box = axes.get_position()
    return box.width * across, box.height * down


def _over(axes: "Axes", text: str, offset: tuple[float, float], size: float, weight: str) -> None:
    axes.annotate(
        text,
        (0.0, 1.0),
        offset,
        "axes fraction",
        "offset points",
        fontsize=size,
        color=INK,
        fontweight=weight,
        annotation_clip=False,
    )


def few_ticks(axes: "Axes", most: int = 6) -> None:
    """Keep the tick labels of neighbouring panels apart."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(most, prune="both" if most > _SOME else None, steps=[1, 2, 2.5, 5, 10]))
    axes.tick_params(labelsize=7.5)


def category_ticks(axes: "Axes", names: Sequence[str]) -> None:
    """Write names below a panel, one at each whole number from 0; in turn on two lines where one is too narrow."""
    width, _ = _inches(axes)
    room = width / len(names)
    shown = [shown_name(name, max(1, len(name))) for name in names]
    if any(text_width(name, _TICKS) > room - _BETWEEN for name in shown):
        lines = [fitted(name, 2 * room - _BETWEEN, _TICKS) for name in names]
        shown = [f"\n{line}" if place % 2 else line for place, line in enumerate(lines)]
    axes.set_xticks(range(len(names)), shown)
    axes.set_xlim(-0.5, len(names) - 0.5)


def axis_note(figure: "Figure", text: str) -> None:
    """Write what the horizontal axis of all panels is, at the foot of the figure."""
    figure.text(0.5, 0.06 / figure.get_figheight(), text, ha="center", va="bottom", fontsize=8, color=INK)


def log_scale(axes: "Axes", low: float, high: float) -> None:
    """Make the horizontal axis logarithmic, its ticks plain numbers: typeset powers would be too small to read."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if high / low < _NARROW:
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
