"""Score distributions of what each arm mined, one panel per arm, one figure per dataset and teacher."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.reporting import notation
from harness.reporting.figures import WIDTH, draw_densities, drawing_style, shown_name
from harness.reporting.plots.choice import MOST_PANELS, chosen, left_out
from harness.reporting.plots.layout import Margins, axis_note, few_ticks, panel_grid, panel_title, style_of
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.points import Panel, grouped, panels
from harness.reporting.styles import Styles
from harness.reporting.tables import Analysis, family_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

__all__ = ["Distributions", "compute", "distributions_caption", "distributions_rows", "draw_distributions"]

_PEAK = 2.5
"""How far above the positives and hidden positives a panel reaches; higher peaks are cut."""


@dataclass(frozen=True)
class Distributions:
    """All arms mined with one teacher on one dataset, best first; `shown` names those that are drawn.

    `families` has an entry per panel. `low`, `high` and `top` bound the axes of all
    panels that are drawn.
    """

    dataset: str
    teacher: str
    panels: tuple[Panel, ...]
    families: tuple[str, ...]
    shown: tuple[str, ...]
    low: float
    high: float
    top: float


def compute(analysis: Analysis) -> tuple[Distributions, ...]:
    """Return the score distributions of every dataset and teacher."""
    groups: dict[tuple[str, str, tuple[float, ...]], list[Panel]] = {}
    for page in panels(analysis):
        for panel in page.panels:
            groups.setdefault((page.dataset, page.teacher, tuple(panel.edges.tolist())), []).append(panel)
    return tuple(_group(analysis, dataset, teacher, found) for (dataset, teacher, _), found in groups.items())


def _group(analysis: Analysis, dataset: str, teacher: str, found: list[Panel]) -> Distributions:
    shown = chosen([panel.arm for panel in found], MOST_PANELS, analysis.results.baseline)
    page = grouped(dataset, teacher, [panel for panel in found if panel.arm in shown])[0]
    families = tuple(family_of(analysis.results.cells[panel.arm, dataset].arm) for panel in found)
    return Distributions(dataset, teacher, tuple(found), families, shown, page.low, page.high, _top(page.panels))


def _top(drawn: tuple[Panel, ...]) -> float:
    """Bound the common axis: a strategy that keeps hardly anything would flatten all else with its peaks."""
    truth = [
        float(panel.density[kind].max()) for panel in drawn for kind in ("positive", "hidden") if kind in panel.density
    ]
    highest = max((float(density.max()) for panel in drawn for density in panel.density.values()), default=1.0)
    return 1.04 * min(highest, _PEAK * max(truth, default=highest))


def draw_distributions(data: Distributions, styles: Styles) -> "Figure":
    """Draw one panel per arm on common axes: positives filled, negatives bold, hidden dashed, removed thin."""
    with drawing_style():
        drawn = [
            (panel, family) for panel, family in zip(data.panels, data.families, strict=True) if _is_in(data, panel)
        ]
        figure, places = panel_grid(len(drawn), height=0.85, margins=Margins(0.12, 0.12, 0.78, 0.48, 0.24, (0.72,)))
        for axes, (panel, family) in zip(places, drawn, strict=True):
            draw_densities(axes, panel)
            panel_title(axes, panel.arm, panel.caption, style_of(styles, family))
            axes.set_xlim(data.low, data.high)
            axes.set_ylim(0.0, data.top)
            few_ticks(axes)
        axis_note(figure, f"score by teacher {shown_name(data.teacher, 80)}")
        _legend(figure)
    return figure


def _legend(figure: "Figure") -> None:
    """Name every kind once, in the order in which they were drawn; a panel may lack some."""
    found: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(str(name), handle)
    across = 4 if figure.get_figwidth() >= WIDTH else 2
    figure.legend(
        list(found.values()),
        list(found),
        loc="upper center",
        ncols=across,
        frameon=False,
        fontsize=7.5,
        borderaxespad=0.2,
    )


def _is_in(data: Distributions, panel: Panel) -> bool:
    return panel.arm in data.shown


def distributions_rows(data: Distributions) -> Rows:
    """Return one row per arm, kind and bin that is not empty, of all arms."""
    return [
        {
            "arm": text(panel.arm),
            "kind": kind,
            "from": number(panel.edges[index]),
            "to": number(panel.edges[index + 1]),
            "density": number(density[index]),
        }
        for panel in data.panels
        for kind, density in panel.density.items()
        for index in np.flatnonzero(density).tolist()
    ]


def distributions_caption(data: Distributions) -> tuple[str, str]:
    """Return what the figure shows for those who cannot see it, and its caption."""
    said = [f"{notation.plain(panel.arm)}: {panel.caption}" for panel in data.panels if _is_in(data, panel)]
    alt = f"Score distributions, one panel per arm. {'; '.join(said)}.".replace("\n", ", ")
    caption = (
        f"Scores by the teacher {notation.plain(data.teacher)} on {notation.plain(data.dataset)}, as densities over "
        "seeds and queries, best arm first: labelled positives (filled), mined negatives (bold), hidden positives, "
        "mined or not (dashed), and candidates that the filter removed (thin). Overlap: shared area of positives and "
        "mined negatives; AUC: probability that a positive scores above a mined negative. High peaks are cut."
    )
    return alt, caption + left_out(len(data.panels) - len(data.shown))
