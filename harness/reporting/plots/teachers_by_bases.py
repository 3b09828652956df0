"""The metric by teacher and base, where arms differ in nothing else."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.fingerprint import canonical
from harness.reporting import notation
from harness.reporting.plots.heat_map import heat_map
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.tables import Analysis, DatasetTable
from harness.spec import ArmSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "TeachersByBases",
    "compute",
    "draw_teachers_by_bases",
    "teachers_by_bases_caption",
    "teachers_by_bases_rows",
]

_MOST = 12
_CELL = 1.7
_LEAST_SPAN = 0.02
"""The least span of the shading: smaller differences must not look large."""

Place = tuple[str, str]


@dataclass(frozen=True)
class TeachersByBases:
    """Means of the metric, (teachers, bases), over the same recipes in every cell; NaN for what was not run.

    `recipes` names those recipes by the first arm that uses each.
    """

    dataset: str
    metric: str
    teachers: tuple[str, ...]
    bases: tuple[str, ...]
    means: npt.NDArray[np.float64]
    recipes: tuple[str, ...]


def compute(analysis: Analysis) -> tuple[TeachersByBases, ...]:
    """Return the matrix of every dataset where a recipe was run with at least two teachers or two bases."""
    found = (_matrix(analysis, table) for table in analysis.tables)
    return tuple(each for each in found if each is not None)


def _matrix(analysis: Analysis, table: DatasetTable) -> TeachersByBases | None:
    """Take the recipes run in the same cells, those that fill the most, so that means compare like with like."""
    recipes: dict[str, dict[Place, float]] = {}
    names: dict[str, str] = {}
    for row in table.rows:
        arm = analysis.results.cells[row.arm, table.dataset].arm
        if arm.mining is not None and row.score is not None and not row.searched:
            recipe = _recipe(arm)
            names.setdefault(recipe, row.arm)
            recipes.setdefault(recipe, {})[arm.mining.teacher.label, arm.base.label] = row.score.mean
    groups: dict[frozenset[Place], list[str]] = {}
    for recipe, cells in recipes.items():
        if len(cells) > 1:
            groups.setdefault(frozenset(cells), []).append(recipe)
    if not groups:
        return None
    places, members = max(groups.items(), key=lambda item: (len(item[0]) * len(item[1]), sorted(item[0])))
    means = {place: float(np.mean([recipes[recipe][place] for recipe in members])) for place in places}
    teachers, bases = (_ranked(means, axis) for axis in (0, 1))
    grid = np.array([[means.get((teacher, base), np.nan) for base in bases] for teacher in teachers])
    metric = notation.METRICS[analysis.results.plan.metric]
    return TeachersByBases(table.dataset, metric, teachers, bases, grid, tuple(names[recipe] for recipe in members))


def _recipe(arm: ArmSpec) -> str:
    content = arm.model_dump(mode="json", exclude={"name", "base"})
    del content["mining"]["teacher"]
    return canonical(content)


def _ranked(means: dict[Place, float], axis: int) -> tuple[str, ...]:
    """Order teachers or bases by their mean, best first."""
    values: dict[str, list[float]] = {}
    for place, mean in means.items():
        values.setdefault(place[axis], []).append(mean)
    return tuple(sorted(values, key=lambda name: (-float(np.mean(values[name])), name)))


def draw_teachers_by_bases(data: TeachersByBases) -> "Figure":
    """Draw teachers as rows and bases as columns, best first; darker is better."""
    means = data.means[:_MOST, :_MOST]
    low, high = float(np.nanmin(means)), float(np.nanmax(means))
    rows = [notation.plain(name) for name in data.teachers[:_MOST]]
    columns = [notation.plain(name) for name in data.bases[:_MOST]]
    cells = [["" if np.isnan(mean) else notation.decimal(float(mean)) for mean in line] for line in means]
    width = max(0.45, min(_CELL, 4.2 / len(columns)))
    bounds = (low - 0.25 * (high - low), max(high, low + _LEAST_SPAN))
    return heat_map(means, cells, (rows, columns), bounds=bounds, cell=width)


def teachers_by_bases_rows(data: TeachersByBases) -> Rows:
    """Return one row per teacher and base that were run together."""
    return [
        {"teacher": text(teacher), "base": text(base), "mean": number(float(data.means[row, column]))}
        for row, teacher in enumerate(data.teachers)
        for column, base in enumerate(data.bases)
        if not np.isnan(data.means[row, column])
    ]


def teachers_by_bases_caption(data: TeachersByBases) -> tuple[str, str]:
    """Return what the figure shows for those who cannot see it, and its caption."""
    said = [f"{row['teacher']} with {row['base']}: {row['mean']}" for row in teachers_by_bases_rows(data)]
    caption = (
        f"{data.metric} on test by teacher (rows) and base (columns) on {notation.plain(data.dataset)}: mean over the "
        f"ways of mining and training that were run in every cell shown ({len(data.recipes):,}, such as that of "
        f"{notation.plain(data.recipes[0])}). No test was made of these differences."
    )
    return f"Heat map. {'; '.join(said)}.", caption
