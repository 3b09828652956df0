"""Contamination against hardness of what the arms mined, one panel per teacher, one figure per dataset."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.reporting import labels, notation
from harness.reporting.figures import FAINT, INK, drawing_style
from harness.reporting.plots.choice import MOST_PANELS, chosen
from harness.reporting.plots.layout import Margins, axis_note, fitted, panel_grid, panel_title, quiet, style_of
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.styles import Styles
from harness.reporting.tables import Analysis, ArmRow, DatasetTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Mined",
    "TeacherPanel",
    "Tradeoff",
    "compute",
    "draw_tradeoff",
    "on_frontier",
    "tradeoff_caption",
    "tradeoff_rows",
]

Role = Literal["", "oracle", "random"]
_ROLES: tuple[Role, ...] = ("oracle", "random")
_MOST_TEACHERS = 4
_LABEL = 1.35


@dataclass(frozen=True)
class Mined:
    """What one arm mined: mean hardness and contamination (a share) over its seeds.

    `role` marks the bounds: `oracle` knows the hidden positives, `random` looks at no
    score. `frontier` if no other arm but an oracle is both cleaner and harder;
    `labelled` if its name is drawn.
    """

    arm: str
    family: str
    hardness: float
    contamination: float
    role: Role
    frontier: bool
    labelled: bool


@dataclass(frozen=True)
class TeacherPanel:
    """The arms that mined with one teacher, best first."""

    teacher: str
    arms: tuple[Mined, ...]


@dataclass(frozen=True)
class Tradeoff:
    """The panels of one dataset; the first `shown` of them are drawn, those with the most arms."""

    dataset: str
    panels: tuple[TeacherPanel, ...]
    shown: int


def compute(analysis: Analysis) -> tuple[Tradeoff, ...]:
    """Return the trade-off on every dataset where hidden positives are known and something was mined."""
    found = []
    for table in analysis.tables:
        panels = _panels(analysis, table)
        if any(arm.contamination > 0 for panel in panels for arm in panel.arms):
            found.append(Tradeoff(table.dataset, panels, min(len(panels), _MOST_TEACHERS)))
    return tuple(found)


def _panels(analysis: Analysis, table: DatasetTable) -> tuple[TeacherPanel, ...]:
    groups: dict[str, list[tuple[ArmRow, Role]]] = {}
    for row in table.rows:
        mining = analysis.results.cells[row.arm, table.dataset].arm.mining
        if mining is not None and row.hardness is not None and row.contamination is not None:
            role: Role = next((role for role in _ROLES if role == mining.miner.name), "")
            groups.setdefault(mining.teacher.label, []).append((row, role))
    panels = [_panel(teacher, rows, analysis.results.baseline) for teacher, rows in groups.items()]
    return tuple(sorted(panels, key=lambda panel: -len(panel.arms)))


def _panel(teacher: str, rows: list[tuple[ArmRow, Role]], baseline: str | None) -> TeacherPanel:
    places = [(row.hardness or 0.0, row.contamination or 0.0) for row, _ in rows]
    rivals = [place for place, (_, role) in zip(places, rows, strict=True) if role != "oracle"]
    frontier = [role != "oracle" and on_frontier(place, rivals) for place, (_, role) in zip(places, rows, strict=True)]
    names = [row.arm for row, _ in rows]
    first = [name for name, best in zip(names, frontier, strict=True) if best]
    labelled = chosen([*first, *(name for name in names if name not in first)], MOST_PANELS, baseline)
    arms = [
        Mined(row.arm, row.family, *place, role, best, row.arm in labelled)
        for (row, role), place, best in zip(rows, places, frontier, strict=True)
    ]
    return TeacherPanel(teacher, tuple(arms))


def on_frontier(place: tuple[float, float], others: list[tuple[float, float]]) -> bool:
    """Tell whether none of `others` is at least as hard and as clean as (hardness, contamination), and more in one."""
    return not any(
        hard >= place[0] and dirty <= place[1] and (hard > place[0] or dirty < place[1]) for hard, dirty in others
    )


def draw_tradeoff(data: Tradeoff, styles: Styles) -> "Figure":
    """Draw one panel per teacher: further right is harder, lower is cleaner; the frontier is a band."""
    drawn = data.panels[: data.shown]
    most = max(arm.contamination for panel in drawn for arm in panel.arms)
    with drawing_style():
        figure, places = panel_grid(
            len(drawn), across=2, height=2.5, margins=Margins(0.55, 0.15, 0.3, 0.5, 0.5, (0.55,))
        )
        for axes, panel in zip(places, drawn, strict=True):
            _draw_panel(axes, panel, styles)
            axes.set_ylim(-4.0 * most, 112.0 * most)
            _label(axes, panel)
        for axes in places[::2]:
            axes.set_ylabel("contamination (%)")
        axis_note(figure, "hardness: mean teacher score of a negative less its positive's")
    return figure


def _draw_panel(axes: "Axes", panel: TeacherPanel, styles: Styles) -> None:
    edge = sorted((arm.hardness, 100.0 * arm.contamination) for arm in panel.arms if arm.frontier)
    axes.plot([x for x, _ in edge], [y for _, y in edge], color=FAINT, linewidth=5, solid_joinstyle="round", zorder=0)
    for arm in panel.arms:
        colour, marker = style_of(styles, arm.family)
        size, fill = (7.5, "white") if arm.role else (5.5, colour)
        axes.plot(
            arm.hardness,
            100.0 * arm.contamination,
            marker,
            color=colour,
            markersize=size,
            markerfacecolor=fill,
            markeredgewidth=1.4 if arm.role else 0.8,
        )
    axes.margins(x=0.12)
    panel_title(axes, panel.teacher)
    quiet(axes)


def _label(axes: "Axes", panel: TeacherPanel) -> None:
    named = [arm for arm in panel.arms if arm.labelled]
    texts = [fitted(arm.arm, _LABEL, 7.5) for arm in named]
    labels.place(axes, [(arm.hardness, 100.0 * arm.contamination) for arm in named], texts, INK)


def tradeoff_rows(data: Tradeoff) -> Rows:
    """Return one row per teacher and arm."""
    return [
        {
            "teacher": text(panel.teacher),
            "arm": text(arm.arm),
            "family": text(arm.family),
            "hardness": number(arm.hardness),
            "contamination": number(arm.contamination),
            "role": arm.role,
            "frontier": str(arm.frontier).lower(),
        }
        for panel in data.panels
        for arm in panel.arms
    ]


def tradeoff_caption(data: Tradeoff) -> tuple[str, str]:
    """Return what the figure shows for those who cannot see it, and its caption."""
    drawn = [arm for panel in data.panels[: data.shown] for arm in panel.arms]
    said = [
        f"{notation.plain(arm.arm)}: {notation.decimal(arm.hardness)}, {notation.percent(arm.contamination)}"
        for arm in drawn
        if arm.labelled
    ]
    caption = (
        f"Contamination against hardness of the mined negatives on {notation.plain(data.dataset)}, one panel per "
        "teacher; lower and further right is better. Band: arms that no other beats in both. Hollow and larger: the "
        "oracle, which knows the hidden positives, and random negatives, which no score chose. Hardness is in the "
        "teacher's own units."
    )
    unlabelled = sum(not arm.labelled for arm in drawn)
    if unlabelled:
        caption += f" {unlabelled:,} further points are named in the CSV beside it."
    if len(data.panels) > data.shown:
        caption += f" {len(data.panels) - data.shown:,} further teachers are in the CSV beside it."
    return f"Contamination against hardness. {'; '.join(said)}.", caption
