"""The two best arms query by query: where they tie, and how far they are apart where they do not."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.reporting import notation
from harness.reporting.comparisons import paired
from harness.reporting.figures import GREY, INK, drawing_style
from harness.reporting.plots.layout import Margins, fitted, panel_grid, quiet
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.tables import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "QueryPairs",
    "Spot",
    "best_two",
    "compute",
    "draw_query_pairs",
    "query_pairs_caption",
    "query_pairs_rows",
]

_STEP = 0.05
_TIE = 1e-9
_LABELLED = 6
_TELLING = 0.04
"""The least share of all queries that a circle needs to bear its number."""
_WIDEST, _SMALLEST = 17.0, 2.4
"""Diameters of circles in points."""
_CUT = 1.5
_A, _B, _SAME = "#D55E00", "#0072B2", "#9a9a9a"

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spot:
    """How many queries have about these scores, to the nearest 0.05."""

    a: float
    b: float
    queries: int


@dataclass(frozen=True)
class QueryPairs:
    """Scores per query, means over the common seeds, of arms `a` and `b` on one dataset.

    `a_scores` and `b_scores` (n,) belong to `queries`. `spots` counts them on a grid.
    `edges` (m + 1,) and `counts` (m,) are the histogram of a minus b without the `ties`,
    its middle bin centred at zero.
    """

    dataset: str
    metric: str
    a: str
    b: str
    queries: tuple[str, ...]
    a_scores: FloatArray
    b_scores: FloatArray
    spots: tuple[Spot, ...]
    edges: FloatArray
    counts: npt.NDArray[np.int64]
    wins: int
    ties: int
    losses: int


def compute(analysis: Analysis) -> tuple[QueryPairs, ...]:
    """Return the pair of every dataset where two contenders have common runs."""
    found = []
    for table in analysis.tables:
        pair = best_two(analysis, table.dataset)
        if pair is not None:
            found.append(_pairs(analysis, table.dataset, *pair))
    return tuple(found)


def best_two(analysis: Analysis, dataset: str) -> tuple[str, str] | None:
    """Return the two contenders with the highest means on a dataset; None where there are not two."""
    table = next(table for table in analysis.tables if table.dataset == dataset)
    names = [row.arm for row in table.rows if row.arm in analysis.contenders and row.score is not None]
    cells = analysis.results.cells
    for name in names[1:]:
        if paired(cells[names[0], dataset], cells[name, dataset]) is not None:
            return names[0], name
    return None


def _pairs(analysis: Analysis, dataset: str, a: str, b: str) -> QueryPairs:
    cells = analysis.results.cells
    both = paired(cells[a, dataset], cells[b, dataset])
    left, right = (scores.mean(axis=1) for scores in both or (np.empty((0, 1)), np.empty((0, 1))))
    apart = left - right
    apart[np.abs(apart) < _TIE] = 0.0
    edges = np.arange(-1.0 - _STEP / 2, 1.0 + _STEP, _STEP)
    return QueryPairs(
        dataset=dataset,
        metric=notation.METRICS[analysis.results.plan.metric],
        a=a,
        b=b,
        queries=cells[a, dataset].queries,
        a_scores=left,
        b_scores=right,
        spots=_spots(left, right),
        edges=edges,
        counts=np.histogram(apart[apart != 0.0], bins=edges)[0].astype(np.int64),
        wins=int((apart > 0).sum()),
        ties=int((apart == 0).sum()),
        losses=int((apart < 0).sum()),
    )


def _spots(left: FloatArray, right: FloatArray) -> tuple[Spot, ...]:
    places = np.rint(np.column_stack([left, right]) / _STEP).astype(np.int64)
    unique, counts = np.unique(places, axis=0, return_counts=True)
    return tuple(
        Spot(round(float(a) * _STEP, 6), round(float(b) * _STEP, 6), int(count))
        for (a, b), count in zip(unique, counts, strict=True)
    )


def draw_query_pairs(data: QueryPairs) -> "Figure":
    """Draw the scores as circles whose area counts queries, beside the histogram of their differences."""
    with drawing_style():
        figure, (left, right) = panel_grid(
            2, across=2, height=2.75, margins=Margins(0.55, 0.12, 0.15, 0.5, 0.62, (0.0,))
        )
        _draw_spots(left, data)
        _draw_differences(right, data)
    return figure


def _draw_spots(axes: "Axes", data: QueryPairs) -> None:
    most = max(spot.queries for spot in data.spots)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, zorder=1)
    for colour, sign in ((_A, 1), (_B, -1), (_SAME, 0)):
        some = [spot for spot in data.spots if np.sign(spot.a - spot.b) == sign]
        areas = [max(_SMALLEST**2, _WIDEST**2 * spot.queries / most) for spot in some]
        axes.scatter(
            [spot.b for spot in some], [spot.a for spot in some], s=areas, color=colour, linewidths=0, zorder=2
        )
    for spot in sorted(data.spots, key=lambda spot: -spot.queries)[:_LABELLED]:
        if spot.queries >= _TELLING * len(data.queries):
            reach = _WIDEST * np.sqrt(spot.queries / most) / 2 + 1.5
            axes.annotate(
                f"{spot.queries:,}",
                (spot.b, spot.a),
                (reach, -reach),
                textcoords="offset points",
                ha="left",
                va="center",
                fontsize=7,
                color=INK,
                annotation_clip=False,
            )
    for x, y, colour, said in (
        (0.03, 0.97, _A, f"higher: {data.wins:,}"),
        (0.97, 0.09, _B, f"higher: {data.losses:,}"),
    ):
        axes.text(
            x, y, said, transform=axes.transAxes, ha="left" if x < y else "right", va="top", fontsize=7.5, color=colour
        )
    axes.set_xlim(-0.06, 1.09)
    axes.set_ylim(-0.09, 1.09)
    quiet(axes)
    axes.set_xlabel(f"{data.metric}, {fitted(data.b, 1.9)}", color=_B)
    axes.set_ylabel(f"{data.metric}, {fitted(data.a, 1.7)}", color=_A)


def _draw_differences(axes: "Axes", data: QueryPairs) -> None:
    middle = (data.edges[:-1] + data.edges[1:]) / 2
    colours = [_A if place > _TIE else _B if place < -_TIE else _SAME for place in middle]
    axes.bar(middle, data.counts, width=_STEP, color=colours, edgecolor="white", linewidth=0.3)
    centre = len(middle) // 2
    top = max(1.0, _CUT * float(data.counts.max()))
    base = float(data.counts[centre])
    axes.bar(0.0, data.ties, width=_STEP, bottom=base, color="white", edgecolor=INK, linewidth=0.7, hatch="//////")
    height = min(base + data.ties, top)
    axes.annotate(f"{data.ties:,} ties", (0.0, height), (6, -4), textcoords="offset points", fontsize=7.5, va="top")
    used = np.flatnonzero(data.counts)
    reach = max((abs(float(middle[place])) for place in used), default=0.2) + 2 * _STEP
    axes.set_xlim(-reach, reach)
    axes.set_ylim(0.0, top)
    quiet(axes, "y")
    axes.set_xlabel(f"difference in {data.metric}")
    axes.set_ylabel("queries")


def query_pairs_rows(data: QueryPairs) -> Rows:
    """Return one row per query."""
    return [
        {"query": text(query), "a": number(float(a)), "b": number(float(b)), "difference": number(float(a - b))}
        for query, a, b in zip(data.queries, data.a_scores, data.b_scores, strict=True)
    ]


def query_pairs_caption(data: QueryPairs) -> tuple[str, str]:
    """Return what the figure shows for those who cannot see it, and its caption."""
    a, b = notation.plain(data.a), notation.plain(data.b)
    said = f"{a} is higher on {data.wins:,} queries, {b} on {data.losses:,}; they tie on {data.ties:,}"
    caption = (
        f"The two highest arms on {notation.plain(data.dataset)}, query by query, means over seeds: {a} against {b}. "
        f"Left: circles by area, down to a least size, scores to the nearest {_STEP:g}; the largest bear their "
        f"number of queries. Right: {a} minus {b}; hatched: exact ties, cut where they would dwarf the rest."
    )
    return f"Scores per query. {said}.", caption
