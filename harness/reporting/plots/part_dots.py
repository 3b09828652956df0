"""Every arm on two parts of the test queries: leaked and clean, or interpolating and extrapolating."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.reporting import notation
from harness.reporting.figures import GREY, drawing_style
from harness.reporting.parts import PartTable, part_tables
from harness.reporting.plots.choice import MOST_ROWS, chosen, left_out
from harness.reporting.plots.layout import Margins, arrowhead, few_ticks, off_scale, row_chart, style_of
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.styles import Styles
from harness.reporting.tables import Analysis, family_of
from harness.stats import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ArmParts", "PartDots", "compute", "draw_part_dots", "part_dots_caption", "part_dots_rows"]

_SHOWN = {"leakage": ("clean", "leaked"), "nearness": ("interpolation", "extrapolation")}
_DIFFERENCE = "extrapolation less interpolation"


@dataclass(frozen=True)
class ArmParts:
    """One arm's means on the two parts, and their difference where it is of the same queries."""

    arm: str
    family: str
    first: Interval
    second: Interval
    difference: Interval | None


@dataclass(frozen=True)
class PartDots:
    """All arms on the two `parts`, whose distinct `queries` are counted, highest on the first part first."""

    kind: str
    dataset: str
    metric: str
    parts: tuple[str, str]
    queries: tuple[int, int]
    arms: tuple[ArmParts, ...]
    shown: tuple[str, ...]


def compute(analysis: Analysis) -> tuple[PartDots, ...]:
    """Return the figure of each table of parts that the results allow."""
    found = (_dots(analysis, table) for table in part_tables(analysis.results) if table.kind in _SHOWN)
    return tuple(each for each in found if each.arms)


def _dots(analysis: Analysis, table: PartTable) -> PartDots:
    parts = _SHOWN[table.kind]
    first, second = (table.parts.index(part) for part in parts)
    difference = table.parts.index(_DIFFERENCE) if _DIFFERENCE in table.parts else None
    families = {arm.name: family_of(arm) for arm in analysis.results.plan.arms}
    arms = []
    for row in table.rows:
        one, two = row.scores[first], row.scores[second]
        if one is not None and two is not None:
            apart = None if difference is None else row.scores[difference]
            arms.append(ArmParts(row.arm, families[row.arm], one, two, apart))
    arms.sort(key=lambda arm: -arm.first.mean)
    return PartDots(
        kind=table.kind,
        dataset=table.dataset,
        metric=notation.METRICS[analysis.results.plan.metric],
        parts=parts,
        queries=(table.queries[first], table.queries[second]),
        arms=tuple(arms),
        shown=chosen([arm.arm for arm in arms], MOST_ROWS, analysis.results.baseline),
    )


def draw_part_dots(data: PartDots, styles: Styles) -> "Figure":
    """Draw one line per arm, from the first part (filled) to the second (hollow); differences beside."""
    drawn = [arm for arm in data.arms if arm.arm in data.shown]
    apart = [arm.difference for arm in drawn if arm.difference is not None]
    with drawing_style():
        figure, places = row_chart([arm.arm for arm in drawn], 2 if apart else 1, row=0.25, margins=Margins(top=0.12))
        places[0].set_xlim(*off_scale([value for arm in drawn for value in (arm.first, arm.second)]))
        for line, arm in enumerate(drawn):
            _draw_arm(places[0], line, arm, style_of(styles, arm.family))
        places[0].set_xlabel(data.metric)
        for axes in places:
            few_ticks(axes)
        if apart:
            _draw_apart(places[1], drawn, styles)
    return figure


def _draw_arm(axes: "Axes", line: int, arm: ArmParts, style: tuple[str, str]) -> None:
    colour, marker = style
    both = f"{notation.decimal(arm.first.mean)} to {notation.decimal(arm.second.mean)}"
    if max(arm.first.mean, arm.second.mean) < axes.get_xlim()[0] and arrowhead(
        axes, arm.first.mean, line, colour, both
    ):
        return
    seen = []
    for value, lift, fill in ((arm.first, -0.14, colour), (arm.second, 0.14, "white")):
        if not arrowhead(axes, value.mean, line + lift, colour):
            axes.plot([value.low, value.high], [line + lift] * 2, color=colour, linewidth=0.8, alpha=0.7)
            axes.plot(value.mean, line + lift, marker, color=colour, markerfacecolor=fill, markersize=4.8, zorder=3)
            seen.append((value.mean, line + lift))
    axes.plot([x for x, _ in seen], [y for _, y in seen], color=colour, linewidth=1.3, zorder=2.5)


def _draw_apart(axes: "Axes", drawn: list[ArmParts], styles: Styles) -> None:
    values = [arm.difference for arm in drawn if arm.difference is not None]
    low, high = off_scale([*values, Interval(0.0, 0.0, 0.0)])
    axes.set_xlim(min(low, 0.0), max(high, 0.0))
    axes.axvline(0.0, color=GREY, linewidth=0.9)
    for line, arm in enumerate(drawn):
        colour, marker = style_of(styles, arm.family)
        value = arm.difference
        if value is not None and not arrowhead(axes, value.mean, line, colour):
            axes.plot([value.low, value.high], [line, line], color=colour, linewidth=1.1)
            axes.plot(value.mean, line, marker, color=colour, markersize=4.8)
    axes.set_xlabel("difference, same queries")


def part_dots_rows(data: PartDots) -> Rows:
    """Return one row per arm and part, of all arms; the difference is one, where it is known."""
    return [
        {
            "arm": text(arm.arm),
            "part": part,
            "mean": number(value.mean),
            "low": number(value.low),
            "high": number(value.high),
        }
        for arm in data.arms
        for part, value in zip((*data.parts, "difference"), (arm.first, arm.second, arm.difference), strict=True)
        if value is not None
    ]


def part_dots_caption(data: PartDots) -> tuple[str, str]:
    """Return what the figure shows for those who cannot see it, and its caption."""
    said = [
        f"{notation.plain(arm.arm)}: {notation.decimal(arm.first.mean)} to {notation.decimal(arm.second.mean)}"
        for arm in data.arms
        if arm.arm in data.shown
    ]
    one, two = data.parts
    beside = (
        ""
        if all(arm.difference is None for arm in data.arms)
        else (" Right: the difference over the queries that are in both parts.")
    )
    caption = (
        f"{data.metric} on {notation.plain(data.dataset)} with 95 % intervals over queries: {one} (filled, "
        f"n = {data.queries[0]:,}) and {two} (hollow, n = {data.queries[1]:,}), one line per arm.{beside}"
    )
    if data.kind == "leakage":
        caption += " The parts hold different queries, so that an arm's two means differ for that reason too."
    return f"Means on two parts of the queries. {'; '.join(said)}.", caption + left_out(
        len(data.arms) - len(data.shown)
    )
