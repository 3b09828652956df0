"""Put a label beside each point of a figure so that labels cover neither points nor each other."""

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Box", "overlap", "place"]

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in pixels."""

_SIDES = ((1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1))
_DISTANCES = (6.0, 11.0, 18.0, 27.0, 38.0, 50.0)
_TIED = 11.0
_MARKER = 4.0


def place(axes: "Axes", points: list[tuple[float, float]], texts: list[str], colour: str) -> None:
    """Label points greedily from the left: at the nearest free place, else where least is covered.

    A label at some distance is tied to its point by a thin line. Positions are in
    points (1/72 inch), so that they do not depend on the resolution.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = axes.get_figure(root=True)
    if figure is None or not points:
        return
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    scale = 72.0 / figure.dpi
    inside = _box(*(float(edge) * scale for edge in axes.bbox.extents))
    where = [(float(x), float(y)) for x, y in axes.transData.transform(points) * scale]
    taken: list[Box] = [_around(point, _MARKER) for point in where]
    for index in sorted(range(len(points)), key=lambda item: points[item]):
        note = axes.annotate(texts[index], points[index], xytext=(0, 0), textcoords="offset points", fontsize=7.5)
        extent = note.get_window_extent(canvas.get_renderer())  # type: ignore[no-untyped-call]
        size = (extent.width * scale, extent.height * scale)
        note.remove()
        offset, box = _best(where[index], size, taken, inside)
        taken.append(box)
        far = overlap(box, _around(where[index], _TIED)) == 0.0
        axes.annotate(
            texts[index],
            points[index],
            xytext=offset,
            textcoords="offset points",
            ha="left",
            va="bottom",
            fontsize=7.5,
            color=colour,
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "#8c8c8c", "shrinkA": 0, "shrinkB": 3}
            if far
            else None,
        ).set_in_layout(False)


def _best(
    point: tuple[float, float], size: tuple[float, float], taken: list[Box], inside: Box
) -> tuple[tuple[float, float], Box]:
    """Return the offset of the label's lower left corner from its point, and its box."""
    options: list[tuple[float, int, tuple[float, float], Box]] = []
    for distance, (across, up) in product(_DISTANCES, _SIDES):
        left = across * distance + (across - 1) / 2 * size[0]
        bottom = up * distance + (up - 1) / 2 * size[1]
        box = (point[0] + left, point[1] + bottom, point[0] + left + size[0], point[1] + bottom + size[1])
        cost = sum(overlap(box, other) for other in taken) + size[0] * size[1] - overlap(box, inside)
        options.append((round(cost, 6), len(options), (left, bottom), box))
    return min(options)[2:]


def _box(left: float, bottom: float, right: float, top: float) -> Box:
    return (float(left), float(bottom), float(right), float(top))


def _around(point: tuple[float, float], reach: float) -> Box:
    x, y = point
    return (x - reach, y - reach, x + reach, y + reach)


def overlap(a: Box, b: Box) -> float:
    """Return the area that two boxes share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)
