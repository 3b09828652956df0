"""The mean of every seed of every arm, beside the interval over queries."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.reporting import notation
from harness.reporting.figures import FAINT, drawing_style
from harness.reporting.plots.choice import MOST_ROWS, chosen, left_out
from harness.reporting.plots.layout import Margins, arrowhead, off_scale, row_chart, style_of
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.styles import Styles
from harness.reporting.tables import Analysis, ArmRow
from harness.stats import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SeedStrip", "Strip", "compute", "draw_seed_strip", "seed_strip_caption", "seed_strip_rows"]


@dataclass(frozen=True)
class Strip:
    """One arm: the mean over queries of each seed, and of all with its interval.

    `spread` is the standard deviation of the seeds' means; None for one seed.
    """

    arm: str
    family: str
    seeds: tuple[int, ...]
    means: tuple[float, ...]
    score: Interval
    spread: float | None


@dataclass(frozen=True)
class SeedStrip:
    """All arms on one dataset, best first."""

    dataset: str
    metric: str
    strips: tuple[Strip, ...]
    shown: tuple[str, ...]


def compute(analysis: Analysis) -> tuple[SeedStrip, ...]:
    """Return the strips of every dataset where an arm has at least two seeds."""
    found = []
    for table in analysis.tables:
        strips = tuple(_strip(analysis, table.dataset, row) for row in table.rows if row.score is not None)
        if any(len(strip.seeds) > 1 for strip in strips):
            shown = chosen([strip.arm for strip in strips], MOST_ROWS, analysis.results.baseline)
            metric = notation.METRICS[analysis.results.plan.metric]
            found.append(SeedStrip(table.dataset, metric, strips, shown))
    return tuple(found)


def _strip(analysis: Analysis, dataset: str, row: ArmRow) -> Strip:
    cell = analysis.results.cells[row.arm, dataset]
    means = cell.scores.mean(axis=0)
    mean = float(means.mean())
    spread = float(means.std(ddof=1)) if len(means) > 1 else None
    score = row.score or Interval(mean, mean, mean)
    return Strip(row.arm, row.family, cell.seeds, tuple(means.tolist()), score, spread)


def draw_seed_strip(data: SeedStrip, styles: Styles) -> "Figure":
    """Draw one line per arm: a grey bar for the interval over queries, a dot per seed, a tick at the mean."""
    drawn = [strip for strip in data.strips if strip.arm in data.shown]
    with drawing_style():
        figure, (axes,) = row_chart([strip.arm for strip in drawn], margins=Margins(top=0.12))
        axes.set_xlim(*off_scale([strip.score for strip in drawn]))
        for line, strip in enumerate(drawn):
            _draw_strip(axes, line, strip, style_of(styles, strip.family))
        axes.set_xlabel(data.metric)
    return figure


def _draw_strip(axes: "Axes", line: int, strip: Strip, style: tuple[str, str]) -> None:
    colour, marker = style
    if arrowhead(axes, strip.score.mean, line, colour):
        return
    ends = [strip.score.low, strip.score.high]
    axes.plot(ends, [line, line], color=FAINT, linewidth=6, solid_capstyle="butt", zorder=1.5)
    axes.plot([strip.score.mean] * 2, [line - 0.36, line + 0.36], color=colour, linewidth=1.4, zorder=2.5)
    # seeds with equal means would hide each other: they are spread a little, in a fixed order
    lift = np.linspace(-0.2, 0.2, len(strip.means)) if len(strip.means) > 1 else np.zeros(1)
    axes.plot(strip.means, line + lift, marker, color=colour, markersize=3.2, markerfacecolor="white", zorder=3)


def seed_strip_rows(data: SeedStrip) -> Rows:
    """Return one row per arm and seed, of all arms."""
    return [
        {
            "arm": text(strip.arm),
            "seed": str(seed),
            "mean": number(mean),
            "mean_of_seeds": number(strip.score.mean),
            "low": number(strip.score.low),
            "high": number(strip.score.high),
            "seed_spread": number(strip.spread),
        }
        for strip in data.strips
        for seed, mean in zip(strip.seeds, strip.means, strict=True)
    ]


def seed_strip_caption(data: SeedStrip) -> tuple[str, str]:
    """Return what the figure shows for those who cannot see it, and its caption."""
    said = [
        f"{notation.plain(strip.arm)}: {notation.interval(strip.score)}, spread {notation.decimal(strip.spread, 4)}"
        for strip in data.strips
        if strip.arm in data.shown
    ]
    caption = (
        f"{data.metric} of every seed (small markers) and their mean (tick) on {notation.plain(data.dataset)}, before "
        "the 95 % interval over queries (grey bar). Where seeds stray little, another draw of queries matters more "
        "than another seed."
    )
    return f"Means per seed. {'; '.join(said)}.", caption + left_out(len(data.strips) - len(data.shown))
