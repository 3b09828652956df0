"""How training went: the loss over the steps, and the dev metric at the looks of early stopping."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.reporting import notation
from harness.reporting.figures import INK, drawing_style
from harness.reporting.plots.choice import MOST_PANELS, chosen, left_out
from harness.reporting.plots.layout import Margins, axis_note, few_ticks, panel_grid, panel_title, quiet, style_of
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.results import Cell
from harness.reporting.styles import Styles
from harness.reporting.tables import Analysis, family_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Course",
    "Learning",
    "Look",
    "compute",
    "draw_learning",
    "draw_stopping",
    "learning_caption",
    "learning_rows",
    "smoothed",
    "stopping_caption",
    "stopping_rows",
]

_WINDOWS = 40
_OTHERS = "#cfcfcf"

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """What early stopping of one seed saw: steps and dev values, and the step whose weights were kept."""

    seed: int
    steps: tuple[int, ...]
    values: tuple[float, ...]
    best_step: int


@dataclass(frozen=True)
class Course:
    """One arm: mean, lowest and highest smoothed loss over seeds at `step`, each of shape (n,), and its looks.

    `loss` is its loss function: the losses of two functions do not compare.
    """

    arm: str
    family: str
    loss: str
    step: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    looks: tuple[Look, ...]


@dataclass(frozen=True)
class Learning:
    """All trained arms on one dataset, best first; `metrics` are what early stopping looked at.

    `shown` names the arms whose losses are drawn, `stopped` those whose looks are.
    """

    dataset: str
    metrics: tuple[str, ...]
    courses: tuple[Course, ...]
    shown: tuple[str, ...]
    stopped: tuple[str, ...]


def compute(analysis: Analysis) -> tuple[Learning, ...]:
    """Return the courses of the trained arms of every dataset."""
    found = []
    for table in analysis.tables:
        cells = [analysis.results.cells[row.arm, table.dataset] for row in table.rows]
        courses = [course for cell in cells if (course := _course(cell)) is not None]
        stopping = [cell.arm.training.early_stopping for cell in cells if cell.arm.training is not None]
        metrics = dict.fromkeys(notation.METRICS[each.metric] for each in stopping if each is not None)
        if courses:
            shown, stopped = (
                chosen([course.arm for course in some], MOST_PANELS, analysis.results.baseline)
                for some in (courses, [course for course in courses if course.looks])
            )
            found.append(Learning(table.dataset, tuple(metrics), tuple(courses), shown, stopped))
    return tuple(found)


def _course(cell: Cell) -> Course | None:
    """Smooth each seed by itself; where seeds differ in length, up to the end of the shortest."""
    losses = [np.asarray(run.losses, dtype=np.float64) for run in cell.runs if run.losses]
    if not losses or cell.arm.training is None:
        return None
    length = min(map(len, losses))
    smooth = [smoothed(each[:length]) for each in losses]
    values = np.array([value for _, value in smooth])
    looks = [
        Look(seed, run.stopping.steps, run.stopping.values, run.stopping.best_step)
        for seed, run in zip(cell.seeds, cell.runs, strict=True)
        if run.stopping is not None
    ]
    ends = values.min(axis=0), values.max(axis=0)
    loss = cell.arm.training.loss.label
    return Course(cell.arm.name, family_of(cell.arm), loss, smooth[0][0], values.mean(axis=0), *ends, tuple(looks))


def smoothed(losses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Average losses (n,) over at most 40 windows of equal length; returns middle steps, from 1, and means.

    The last window is shorter where the length does not divide.
    """
    width = -(-len(losses) // _WINDOWS)
    starts = np.arange(0, len(losses), width)
    ends = np.minimum(starts + width, len(losses))
    means = np.add.reduceat(losses, starts) / (ends - starts)
    return (starts + ends + 1) / 2.0, means


def draw_learning(data: Learning, styles: Styles) -> "Figure":
    """Draw one panel per arm: its loss with the band of its seeds, before those of the others with that loss."""
    drawn = [course for course in data.courses if course.arm in data.shown]
    several = len({course.loss for course in drawn}) > 1
    room = Margins(0.55, 0.15, 0.42, 0.48, 0.42, (0.55,)) if several else Margins(0.55, 0.15, 0.3, 0.48, 0.22, (0.42,))
    with drawing_style():
        figure, places = panel_grid(len(drawn), height=0.9, margins=room)
        for place, (axes, course) in enumerate(zip(places, drawn, strict=True)):
            alike = [other for other in drawn if other.loss == course.loss]
            for other in alike:
                axes.plot(other.step, other.mean, color=_OTHERS, linewidth=0.5, zorder=1)
            _draw_course(axes, course, style_of(styles, course.family), note=course.loss if several else "")
            low, high = (float(end) for end in (min(o.low.min() for o in alike), max(o.high.max() for o in alike)))
            _frame(axes, place, (low, high), labelled=several)
            if place % 3 == 0:
                axes.set_ylabel("loss")
        axis_note(figure, "step")
    return figure


def _draw_course(axes: "Axes", course: Course, style: tuple[str, str], note: str) -> None:
    axes.fill_between(course.step, course.low, course.high, color=style[0], alpha=0.25, linewidth=0, zorder=2)
    axes.plot(course.step, course.mean, color=style[0], linewidth=1.5, zorder=3)
    panel_title(axes, course.arm, note, style)


def draw_stopping(data: Learning, styles: Styles) -> "Figure | None":
    """Draw the dev metric at each look, one line per seed, the kept step marked; None without early stopping."""
    drawn = [course for course in data.courses if course.arm in data.stopped]
    values = [value for course in drawn for look in course.looks for value in look.values]
    if not values:
        return None
    last = max(step for course in drawn for look in course.looks for step in look.steps)
    with drawing_style():
        figure, places = panel_grid(len(drawn), height=0.9, margins=Margins(0.5, 0.15, 0.3, 0.48, 0.22, (0.42,)))
        for place, (axes, course) in enumerate(zip(places, drawn, strict=True)):
            colour, marker = style_of(styles, course.family)
            for look in course.looks:
                axes.plot(look.steps, look.values, color=colour, linewidth=0.9)
                at = look.steps.index(look.best_step) if look.best_step in look.steps else None
                if at is not None:
                    axes.plot(look.best_step, look.values[at], marker, color=INK, markersize=4.5)
            panel_title(axes, course.arm, style=(colour, marker))
            _frame(axes, place, (min(values), max(values)))
            axes.set_xlim(0, 1.04 * last)
            if place % 3 == 0:
                axes.set_ylabel("dev metric")
        axis_note(figure, "step")
    return figure


def _frame(axes: "Axes", place: int, limits: tuple[float, float], *, labelled: bool = False) -> None:
    margin = 0.06 * (limits[1] - limits[0]) or 0.01
    axes.set_ylim(limits[0] - margin, limits[1] + margin)
    few_ticks(axes)
    quiet(axes)
    if place % 3 and not labelled:
        axes.tick_params(labelleft=False)


def learning_rows(data: Learning) -> Rows:
    """Return one row per arm and window of steps, of all arms."""
    return [
        {
            "arm": text(course.arm),
            "loss_function": text(course.loss),
            "step": number(course.step[place]),
            "loss": number(course.mean[place]),
            "low": number(course.low[place]),
            "high": number(course.high[place]),
        }
        for course in data.courses
        for place in range(len(course.step))
    ]


def stopping_rows(data: Learning) -> Rows:
    """Return one row per arm, seed and look, of all arms."""
    return [
        {
            "arm": text(course.arm),
            "seed": str(look.seed),
            "step": str(step),
            "dev": number(value),
            "kept": str(step == look.best_step).lower(),
        }
        for course in data.courses
        for look in course.looks
        for step, value in zip(look.steps, look.values, strict=True)
    ]


def learning_caption(data: Learning) -> tuple[str, str]:
    """Return what the losses' figure shows for those who cannot see it, and its caption."""
    said = [
        f"{notation.plain(course.arm)}: {course.mean[0]:.3g} to {course.mean[-1]:.3g}"
        for course in data.courses
        if course.arm in data.shown
    ]
    caption = (
        f"Training loss on {notation.plain(data.dataset)}, averaged over at most {_WINDOWS} windows of steps: mean "
        "over seeds (line), lowest to highest seed (band), and the other arms with the same loss function (grey), on "
        "whose axis each panel is. A lower loss is no better model: harder negatives raise it."
    )
    return f"Training losses. {'; '.join(said)}.", caption + left_out(len(data.courses) - len(data.shown))


def stopping_caption(data: Learning) -> tuple[str, str]:
    """Return what early stopping's figure shows for those who cannot see it, and its caption."""
    said = [
        f"{notation.plain(course.arm)}: kept step {', '.join(str(look.best_step) for look in course.looks)}"
        for course in data.courses
        if course.arm in data.stopped
    ]
    caption = (
        f"{' or '.join(data.metrics)} on dev at each look of early stopping on {notation.plain(data.dataset)}, one "
        "line per seed; marked: the step whose weights were kept."
    )
    looked_at = sum(bool(course.looks) for course in data.courses)
    return f"Looks of early stopping. {'; '.join(said)}.", caption + left_out(looked_at - len(data.stopped))
