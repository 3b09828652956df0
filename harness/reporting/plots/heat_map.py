"""Draw a matrix of numbers as a heat map with the numbers in it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.reporting.figures import FAINT, INK, WIDTH, drawing_style, new_figure
from harness.reporting.plots.layout import fitted, text_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["heat_map"]

_NAMES = 2.2
_DARK = 0.6
_ROW = 0.25
_EDGE, _GAP = 0.1, 0.12

FloatArray = npt.NDArray[np.float64]


def heat_map(
    values: FloatArray,
    cells: Sequence[Sequence[str]],
    names: tuple[Sequence[str], Sequence[str]],
    *,
    bounds: tuple[float, float],
    cell: float,
) -> "Figure":
    """Draw `values` (n, m), shaded between `bounds` and grey where NaN, with the texts of `cells` in them.

    `names` are those of the rows and of the columns. `cell` is the width of a cell in
    inches; a name that does not fit is cut.
    """
    rows, columns = names
    beside = [fitted(name, min(_NAMES, WIDTH - cell * len(columns) - _EDGE - _GAP)) for name in rows]
    above = [fitted(name, cell - 0.04, 7.5) for name in columns]
    left = _GAP + max(text_width(name) for name in beside)
    top = 0.25
    width = left + cell * len(columns) + _EDGE
    height = top + _ROW * len(rows) + _EDGE
    low, high = bounds
    shade = (values - low) / (high - low if high > low else 1.0)
    with drawing_style():
        figure = new_figure(width, height)
        figure.set_layout_engine("none")
        axes = figure.add_axes(
            (left / width, _EDGE / height, cell * len(columns) / width, _ROW * len(rows) / height), facecolor=FAINT
        )
        # cells as vectors: an image in an SVG cannot be edited
        axes.pcolormesh(
            np.ma.masked_invalid(shade), cmap="Blues", vmin=0.0, vmax=1.15, edgecolors="white", linewidth=0.6
        )
        for row, line in enumerate(cells):
            for column, written in enumerate(line):
                colour = "white" if shade[row, column] > _DARK else INK
                axes.text(column + 0.5, row + 0.54, written, ha="center", va="center", color=colour, fontsize=7.5)
        axes.set_xlim(0, len(columns))
        axes.set_ylim(len(rows), 0)
        axes.set_xticks(np.arange(len(columns)) + 0.5, above, fontsize=7.5)
        axes.set_yticks(np.arange(len(rows)) + 0.5, beside)
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure
