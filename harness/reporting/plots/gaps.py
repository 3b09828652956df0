"""How far each mined negative scores below its own positive, one panel per arm."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.reporting import notation
from harness.reporting.figures import GREY, INK, drawing_style, shown_name
from harness.reporting.plots.choice import MOST_PANELS, chosen, left_out
from harness.reporting.plots.layout import Margins, axis_note, few_ticks, panel_grid, panel_title, style_of
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.results import Cell
from harness.reporting.styles import Styles
from harness.reporting.tables import Analysis, family_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Gap", "Gaps", "compute", "draw_gaps", "gaps_caption", "gaps_rows", "share_below_zero"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Gap:
    """One arm: the density of positive minus negative score per bin, (n,), and the share of it below zero."""

    arm: str
    family: str
    density: FloatArray
    below: float


@dataclass(frozen=True)
class Gaps:
    """All arms mined with one teacher on one dataset, best first; `edges` has shape (n + 1,)."""

    dataset: str
    teacher: str
    edges: FloatArray
    gaps: tuple[Gap, ...]
    shown: tuple[str, ...]


def compute(analysis: Analysis) -> tuple[Gaps, ...]:
    """Return the differences that audits kept, by dataset, teacher and bins; none from audits without them."""
    groups: dict[tuple[str, str, tuple[float, ...]], list[Gap]] = {}
    for table in analysis.tables:
        for row in table.rows:
            cell = analysis.results.cells[row.arm, table.dataset]
            counted = _added(cell)
            if cell.arm.mining is not None and counted is not None:
                edges, counts = counted
                gap = Gap(row.arm, family_of(cell.arm), _density(edges, counts), share_below_zero(edges, counts))
                groups.setdefault((table.dataset, cell.arm.mining.teacher.label, tuple(edges.tolist())), []).append(gap)
    return tuple(
        Gaps(
            dataset,
            teacher,
            np.asarray(edges),
            tuple(found),
            chosen([gap.arm for gap in found], MOST_PANELS, analysis.results.baseline),
        )
        for (dataset, teacher, edges), found in groups.items()
    )


def _added(cell: Cell) -> tuple[FloatArray, FloatArray] | None:
    """Add up the counts of an arm's seeds; seeds with other edges than the first are left out."""
    audits = [run.audit.differences for run in cell.runs if run.audit is not None]
    found = [each for each in audits if each is not None and sum(each.counts) > 0]
    if not found:
        return None
    alike = [each.counts for each in found if each.edges == found[0].edges]
    return np.asarray(found[0].edges, dtype=np.float64), np.sum(alike, axis=0, dtype=np.float64)


def _density(edges: FloatArray, counts: FloatArray) -> FloatArray:
    density: FloatArray = counts / (counts.sum() * np.diff(edges))
    return density


def share_below_zero(edges: FloatArray, counts: FloatArray) -> float:
    """Return the share of `counts` (n,) in bins that end at zero or below; zero is one of the `edges` (n + 1,)."""
    return float(counts[edges[1:] <= 0.0].sum() / counts.sum())


def draw_gaps(data: Gaps, styles: Styles) -> "Figure":
    """Draw one panel per arm on common axes: left of zero, filled dark, negatives that outscore their positive."""
    drawn = [gap for gap in data.gaps if gap.arm in data.shown]
    used = np.flatnonzero(np.any([gap.density > 0 for gap in drawn], axis=0))
    low, high = min(float(data.edges[used[0]]), 0.0), max(float(data.edges[used[-1] + 1]), 0.0)
    top = 1.04 * max(float(gap.density.max()) for gap in drawn)
    left = np.clip(data.edges, None, 0.0)
    with drawing_style():
        figure, places = panel_grid(len(drawn), height=0.7, margins=Margins(0.12, 0.12, 0.42, 0.48, 0.2, (0.58,)))
        for axes, gap in zip(places, drawn, strict=True):
            colour = style_of(styles, gap.family)[0]
            axes.stairs(gap.density, data.edges, fill=True, color="#dcdcdc")
            axes.stairs(gap.density, left, fill=True, color=colour)
            axes.stairs(gap.density, data.edges, color=INK, linewidth=0.8)
            axes.axvline(0.0, color=GREY, linewidth=0.9, linestyle=(0, (4, 2)))
            panel_title(axes, gap.arm, f"{notation.percent(gap.below)} below 0", style_of(styles, gap.family))
            axes.set_xlim(low, high)
            axes.set_ylim(0.0, top)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            few_ticks(axes)
        axis_note(figure, f"positive minus negative, score by {shown_name(data.teacher, 70)}")
    return figure


def gaps_rows(data: Gaps) -> Rows:
    """Return one row per arm and bin that is not empty, of all arms."""
    return [
        {
            "arm": text(gap.arm),
            "from": number(data.edges[index]),
            "to": number(data.edges[index + 1]),
            "density": number(gap.density[index]),
            "below_zero": number(gap.below),
        }
        for gap in data.gaps
        for index in np.flatnonzero(gap.density).tolist()
    ]


def gaps_caption(data: Gaps) -> tuple[str, str]:
    """Return what the figure shows for those who cannot see it, and its caption."""
    said = [
        f"{notation.plain(gap.arm)}: {notation.percent(gap.below)} below 0"
        for gap in data.gaps
        if gap.arm in data.shown
    ]
    caption = (
        f"Score of the positive minus that of each of its mined negatives, by the teacher "
        f"{notation.plain(data.teacher)} on {notation.plain(data.dataset)}, as densities over seeds. Coloured, left of "
        "the dashed line: negatives that score above their positive, where false negatives are most likely."
    )
    return f"Differences of scores. {'; '.join(said)}.", caption + left_out(len(data.gaps) - len(data.shown))
