"""What a search found on the dev split: its points, and how much each parameter matters."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.reporting import notation
from harness.reporting.comparisons import dev_score, minimised_score
from harness.reporting.figures import drawing_style
from harness.reporting.plots.layout import (
    Margins,
    category_ticks,
    few_ticks,
    log_scale,
    panel_grid,
    panel_title,
    quiet,
    row_chart,
)
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.tables import Analysis
from harness.search.objectives import MINIMISED, on_front
from harness.spec import ChoiceSpec, Knob, Minimised, RangeSpec, Space, Value, written
from harness.sweep_files import read_points

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Importance",
    "SearchPoints",
    "Searched",
    "compute",
    "draw_front",
    "draw_importances",
    "draw_slices",
    "front_caption",
    "front_rows",
    "importances",
    "importances_caption",
    "importances_rows",
    "slices_caption",
    "slices_rows",
]

_FEWEST = 8
_SPREAD = 0.4
"""Share of the room of a choice over which its points stand."""
_TWO_LINES = 0.13
"""Inches for a second line of names below a panel."""
_SLICES = 12
_COLOUR, _CHOSEN = "#0072B2", "#D55E00"


@dataclass(frozen=True)
class Searched:
    """One finished point: its values by parameter that it was asked for, its dev metric, whether dev chose it.

    With a second objective `lowered` is its value and `front` whether no point is at least
    as good in both and better in one.
    """

    number: int
    values: Mapping[str, Value]
    dev: float
    chosen: bool
    lowered: float | None = None
    front: bool = False


@dataclass(frozen=True)
class Importance:
    """The share of the spread among good points that a parameter explains, from 0 to 1."""

    parameter: str
    share: float


@dataclass(frozen=True)
class SearchPoints:
    """All finished points in the order in which they were asked for, and what the parameters matter, most first.

    `parameters` are those of which some point has a value. `log` names those searched on a
    logarithmic scale, `choices` has the labels of those with choices, `conditional` those
    with a condition. `importances` is empty for one parameter, for fewer than eight points
    and for equal values. `minimised` names the second objective, if there is one.
    """

    arm: str
    metric: str
    points: tuple[Searched, ...]
    parameters: tuple[str, ...]
    log: frozenset[str]
    importances: tuple[Importance, ...]
    minimised: Minimised | None = None
    choices: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    conditional: frozenset[str] = frozenset()


def compute(analysis: Analysis) -> SearchPoints | None:
    """Return the finished points of the search of the results; None without a search or points."""
    search = analysis.results.plan.search
    if search is None:
        return None
    points = []
    kept = [point for home in sorted(set(analysis.results.homes.values())) for point in read_points(home)]
    for point in kept:
        dev = dev_score(analysis.results, point.arm.name)
        if dev is not None:
            lowered = minimised_score(analysis.results, point.arm.name)
            points.append(Searched(point.number, point.values, dev, point.arm.name == analysis.chosen, lowered))
    if not points:
        return None
    points = _with_front(points)
    shares = importances(points, search.space)
    ranked = [one.parameter for one in shares]
    asked = {name for point in points for name in point.values}
    return SearchPoints(
        arm=search.arm,
        metric=notation.METRICS[analysis.results.plan.metric],
        points=tuple(points),
        parameters=tuple(ranked or sorted(asked & set(search.space))),
        log=frozenset(name for name, knob in search.space.items() if isinstance(knob, RangeSpec) and knob.log),
        importances=shares,
        minimised=search.minimise,
        choices={name: tuple(knob.labels) for name, knob in search.space.items() if isinstance(knob, ChoiceSpec)},
        conditional=frozenset(name for name, knob in search.space.items() if knob.when),
    )


def _with_front(points: list[Searched]) -> list[Searched]:
    values = [(point.dev, point.lowered) for point in points]
    known = [(dev, lowered) for dev, lowered in values if lowered is not None]
    if len(known) < len(points):
        return points
    return [replace(point, front=front) for point, front in zip(points, on_front(known), strict=True)]


def importances(points: list[Searched], space: Space) -> tuple[Importance, ...]:
    """Return PED-ANOVA importances (Watanabe et al., IJCAI 2023, arXiv:2304.10255), highest first.

    Parameters that not every point was asked for are weighed as in its conditional form
    (arXiv:2601.20800). A study is made anew from the points, in memory, so that the same
    points give the same numbers. Empty where there is too little to tell.
    """
    import optuna

    if len(points) < _FEWEST or len(space) < 2 or len({point.dev for point in points}) < 2:  # noqa: PLR2004
        return ()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    known: dict[str, optuna.distributions.BaseDistribution]
    known = {name: _distribution(name, knob, points) for name, knob in sorted(space.items())}
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    for point in points:
        asked = {name: kind for name, kind in known.items() if name in point.values}
        params = {name: _typed(point.values[name], kind) for name, kind in asked.items()}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=asked, value=point.dev))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Some regimes for parameter")  # one point at which it was asked, say
        found = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator(), normalize=True
        )
    shares = [Importance(name, float(share)) for name, share in found.items()]
    return tuple(sorted(shares, key=lambda one: (-one.share, one.parameter)))


def _distribution(name: str, knob: Knob, points: list[Searched]) -> "optuna.distributions.BaseDistribution":
    import optuna

    if isinstance(knob, ChoiceSpec):
        return optuna.distributions.CategoricalDistribution(knob.labels)
    values = [float(point.values[name]) for point in points if name in point.values]
    low = min(values, default=0.0) if knob.low is None else knob.low
    high = max(values, default=0.0) if knob.high is None else knob.high
    if isinstance(low, int) and isinstance(high, int):
        return optuna.distributions.IntDistribution(low, high, log=knob.log)
    return optuna.distributions.FloatDistribution(float(low), float(high), log=knob.log)


def _typed(value: Value, kind: "optuna.distributions.BaseDistribution") -> Value:
    import optuna

    if isinstance(kind, optuna.distributions.CategoricalDistribution):
        return value
    return int(value) if isinstance(kind, optuna.distributions.IntDistribution) else float(value)


def draw_importances(data: SearchPoints) -> "Figure | None":
    """Draw one bar per parameter; None where nothing can be said."""
    if not data.importances:
        return None
    with drawing_style():
        figure, (axes,) = row_chart([one.parameter for one in data.importances], row=0.24, margins=Margins(top=0.1))
        shares = [100.0 * one.share for one in data.importances]
        axes.barh(range(len(shares)), shares, height=0.62, color=_COLOUR)
        for line, share in enumerate(shares):
            axes.annotate(
                f"{share:.0f} %", (share, line), (4, 0), textcoords="offset points", va="center", fontsize=7.5
            )
        axes.set_xlim(0.0, 1.14 * max(shares))
        axes.set_xlabel("importance for the best dev values (%)")
    return figure


def draw_slices(data: SearchPoints) -> "Figure":
    """Draw one panel per parameter: the dev metric over its values, later points darker, the chosen one ringed.

    A point stands in the panels of those parameters alone that it was asked for.
    """
    names = data.parameters[:_SLICES]
    values = [point.dev for point in data.points]
    margin = 0.08 * (max(values) - min(values)) or 0.01
    room = _TWO_LINES if data.choices else 0.0
    with drawing_style():
        figure, places = panel_grid(
            len(names), height=1.2, margins=Margins(0.6, 0.15, 0.3, 0.3 + room, 0.25, (0.55 + room,))
        )
        for place, (axes, name) in enumerate(zip(places, names, strict=True)):
            _draw_slice(axes, data, name)
            axes.set_ylim(min(values) - margin, max(values) + margin)
            if place % 3:
                axes.tick_params(labelleft=False)
            else:
                axes.set_ylabel(f"{data.metric} on dev")
    return figure


def _draw_slice(axes: "Axes", data: SearchPoints, name: str) -> None:
    turns = [(point, turn / len(data.points)) for turn, point in enumerate(data.points, 1)]
    found = [(point, turn) for point, turn in turns if name in point.values]
    across = [_place(data, name, point.values[name], turn) for point, turn in found]
    if name in data.choices:
        category_ticks(axes, [written(label) for label in data.choices[name]])
    elif name in data.log and min(across) > 0:
        log_scale(axes, min(across), max(across))
    else:
        few_ticks(axes, 4)
    for (point, turn), x in zip(found, across, strict=True):
        shade = 0.25 + 0.75 * turn
        axes.plot(x, point.dev, "o", color=_COLOUR, alpha=shade, markersize=4.5, markeredgewidth=0)
        if point.chosen:
            axes.plot(x, point.dev, "o", color=_CHOSEN, markersize=9, markerfacecolor="none")
    panel_title(axes, name)
    quiet(axes)


def _place(data: SearchPoints, name: str, value: Value, turn: float) -> float:
    """Return where a value stands on its axis.

    Choices stand side by side in the order of the file, points of one choice from left to
    right by their turn, from 0 to 1: they would hide each other.
    """
    if name not in data.choices:
        return float(value)
    return data.choices[name].index(value) + _SPREAD * (turn - 0.5)


def draw_front(data: SearchPoints) -> "Figure | None":
    """Draw the points over both objectives, those on the front filled and joined; None with one objective."""
    if data.minimised is None:
        return None
    front = sorted((point.lowered or 0.0, point.dev) for point in data.points if point.front)
    with drawing_style():
        figure, (axes,) = panel_grid(1, height=1.9, margins=Margins(0.6, 0.15, 0.2, 0.5))
        axes.plot([x for x, _ in front], [y for _, y in front], "-", color=_COLOUR, linewidth=0.8)
        for point in data.points:
            inside = _COLOUR if point.front else "white"
            axes.plot(point.lowered or 0.0, point.dev, "o", color=_COLOUR, markersize=4.5, markerfacecolor=inside)
            if point.chosen:
                axes.plot(point.lowered or 0.0, point.dev, "o", color=_CHOSEN, markersize=9, markerfacecolor="none")
        axes.set_xlabel(MINIMISED[data.minimised])
        axes.set_ylabel(f"{data.metric} on dev")
        few_ticks(axes, 4)
        quiet(axes)
    return figure


def front_rows(data: SearchPoints) -> Rows:
    """Return every point, those on the front marked."""
    return slices_rows(data)


def front_caption(data: SearchPoints) -> tuple[str, str]:
    """Return what the front shows for those who cannot see it, and its caption."""
    what = MINIMISED[data.minimised] if data.minimised else ""
    front = [point for point in data.points if point.front]
    caption = (
        f"{data.metric} on dev over the {what}, of the {len(data.points):,} finished points of the search over "
        f"{notation.plain(data.arm)}. Filled and joined: points than which none is at least as good in both and better "
        "in one. Ringed: the one with the best dev value, which alone is judged on test."
    )
    said = "; ".join(f"point {point.number}: {notation.decimal(point.dev)} at {point.lowered:.4g}" for point in front)
    return f"Front of two objectives: {said}.", caption


def importances_rows(data: SearchPoints) -> Rows:
    """Return one row per parameter."""
    return [{"parameter": text(one.parameter), "importance": number(one.share)} for one in data.importances]


def slices_rows(data: SearchPoints) -> Rows:
    """Return one row per point."""
    return [
        {
            "point": str(point.number),
            **{name: _written(data, name, point) for name in data.parameters},
            "dev": number(point.dev),
            **({data.minimised: number(point.lowered), "front": str(point.front).lower()} if data.minimised else {}),
            "chosen": str(point.chosen).lower(),
        }
        for point in data.points
    ]


def _written(data: SearchPoints, name: str, point: Searched) -> str:
    """Write a value; nothing where the point was not asked for it."""
    value = point.values.get(name)
    if value is None:
        return ""
    return text(written(value)) if name in data.choices else number(float(value))


def importances_caption(data: SearchPoints) -> tuple[str, str]:
    """Return what the bars show for those who cannot see them, and their caption."""
    said = ", ".join(f"{one.parameter} {notation.percent(one.share)}" for one in data.importances)
    caption = (
        f"How much each parameter of {notation.plain(data.arm)} matters for being among the best points on dev: "
        f"PED-ANOVA over {len(data.points):,} points. With few points these numbers are rough."
    )
    if data.conditional:
        caption += " A parameter with a condition is weighed where it was asked for."
    return f"Importance of parameters: {said}.", caption


def slices_caption(data: SearchPoints) -> tuple[str, str]:
    """Return what the panels show for those who cannot see them, and their caption."""
    best = max(data.points, key=lambda point: point.dev)
    asked = [(name, best.values[name]) for name in data.parameters if name in best.values]
    values = ", ".join(
        f"{name} {written(value) if name in data.choices else format(float(value), '.4g')}" for name, value in asked
    )
    caption = (
        f"The {len(data.points):,} finished points of the search over {notation.plain(data.arm)}: {data.metric} on "
        "dev, mean over seeds and datasets, over each parameter; later points darker, the chosen one ringed."
    )
    if data.choices:
        caption += " Those of one choice stand from left to right in the order in which they were asked for."
    if data.conditional:
        caption += " A point stands only in the panels of what it was asked for."
    if len(data.parameters) > _SLICES:
        caption += f" {len(data.parameters) - _SLICES:,} further parameters are in the CSV beside it."
    return f"Search on dev. Highest: {notation.decimal(best.dev)} at {values}.", caption
