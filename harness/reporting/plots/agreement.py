"""How far arms and teachers agree on negatives: Jaccard indices of what they mined, first common seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.fingerprint import canonical
from harness.reporting import notation
from harness.reporting.plots.choice import chosen, left_out
from harness.reporting.plots.heat_map import heat_map
from harness.reporting.plots.kept_tables import read_table
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.results import Cell, Results
from harness.reporting.tables import Analysis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Agreement",
    "Matrix",
    "agreement_caption",
    "agreement_rows",
    "compute",
    "draw_agreement",
    "draw_teacher_agreement",
    "jaccard_matrix",
    "similar_together",
    "teacher_agreement_caption",
    "teacher_agreement_rows",
]

FloatArray = npt.NDArray[np.float64]

_MOST = 16
_CELL = 0.27
_TRIPLE = ("query_id", "positive_id", "document_id")


@dataclass(frozen=True)
class Matrix:
    """Jaccard indices of every two of `names`, (n, n), similar ones beside each other; NaN where unknown."""

    names: tuple[str, ...]
    jaccard: FloatArray


@dataclass(frozen=True)
class Agreement:
    """Agreement on one dataset at one seed: of arms, and of teachers where arms differ in nothing else.

    `shown` names the arms that are drawn. `teachers` is None where no two arms differ in
    the teacher alone.
    """

    dataset: str
    seed: int
    arms: Matrix
    shown: tuple[str, ...]
    teachers: Matrix | None


def compute(analysis: Analysis) -> tuple[Agreement, ...]:
    """Return the agreement on every dataset where at least two arms kept their negatives for a common seed."""
    found = (_agreement(analysis, table.dataset) for table in analysis.tables)
    return tuple(each for each in found if each is not None)


def _agreement(analysis: Analysis, dataset: str) -> Agreement | None:
    ranked = next(table for table in analysis.tables if table.dataset == dataset).rows
    cells = [analysis.results.cells[row.arm, dataset] for row in ranked]
    mined = [cell for cell in cells if cell.arm.mining is not None and _paths(cell, analysis.results)]
    common = set.intersection(*(set(_paths(cell, analysis.results)) for cell in mined)) if mined else set()
    if len(mined) < 2 or not common:  # noqa: PLR2004
        return None
    seed = next(seed for seed in mined[0].seeds if seed in common)
    jaccard = jaccard_matrix([_triples(_paths(cell, analysis.results)[seed]) for cell in mined])
    names = [cell.arm.name for cell in mined]
    order = similar_together(jaccard)
    arms = Matrix(tuple(names[place] for place in order), jaccard[np.ix_(order, order)])
    shown = chosen(names, _MOST, analysis.results.baseline)
    return Agreement(dataset, seed, arms, shown, _teachers(mined, jaccard))


def _paths(cell: Cell, results: Results) -> dict[int, Path]:
    """Return where the negatives of each seed lie that kept them."""
    paths = {seed: results.folder(run) / "negatives.parquet" for seed, run in zip(cell.seeds, cell.runs, strict=True)}
    return {seed: path for seed, path in paths.items() if path.exists()}


def _triples(path: Path) -> npt.NDArray[np.uint64]:
    """Digest each (query, positive, negative); equal triples count once."""
    import pandas as pd

    frame = read_table(path, _TRIPLE)
    if frame is None:
        return np.empty(0, dtype=np.uint64)
    return np.unique(pd.util.hash_pandas_object(frame.astype("string").astype(object), index=False).to_numpy())


def jaccard_matrix(sets: Sequence[npt.NDArray[np.uint64]]) -> FloatArray:
    """Return the Jaccard index of every two sets of distinct numbers, (n, n); 1 for two empty sets."""
    from scipy import sparse

    every, place = np.unique(np.concatenate(list(sets)), return_inverse=True)
    ends = np.cumsum([0, *(len(each) for each in sets)])
    holds = sparse.csr_array((np.ones(len(place)), place, ends), shape=(len(sets), max(1, len(every))))
    both = (holds @ holds.T).toarray()
    sizes = np.diff(ends)
    either = sizes[:, None] + sizes[None, :] - both
    index: FloatArray = np.divide(both, either, out=np.ones_like(both), where=either > 0)
    return index


def similar_together(jaccard: FloatArray) -> list[int]:
    """Order arms so that neighbours agree most: average linkage of 1 - Jaccard, with the best order of its leaves."""
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    if len(jaccard) < 3:  # noqa: PLR2004
        return list(range(len(jaccard)))
    apart = np.clip(1.0 - jaccard, 0.0, None)
    np.fill_diagonal(apart, 0.0)
    distances = squareform(apart, checks=False)
    tree = hierarchy.linkage(distances, "average", optimal_ordering=True)
    return [int(leaf) for leaf in hierarchy.leaves_list(tree)]


def _teachers(cells: Sequence[Cell], jaccard: FloatArray) -> Matrix | None:
    """Average over the arms that two teachers have in common, all else being equal."""
    keys = [_but_for_teacher(cell) for cell in cells]
    names = tuple(dict.fromkeys(teacher for teacher, _ in keys))
    found: dict[tuple[str, str], list[float]] = {}
    for row, (teacher, rest) in enumerate(keys):
        for column, (other, other_rest) in enumerate(keys):
            if teacher != other and rest == other_rest:
                found.setdefault((teacher, other), []).append(float(jaccard[row, column]))
    if not found:
        return None
    values = np.array([[float(np.mean(found.get((one, two), [np.nan]))) for two in names] for one in names])
    np.fill_diagonal(values, 1.0)
    return Matrix(names, values)


def _but_for_teacher(cell: Cell) -> tuple[str, str]:
    content = cell.arm.model_dump(mode="json", exclude={"name"})
    del content["mining"]["teacher"]
    return (cell.arm.mining.teacher.label if cell.arm.mining is not None else "", canonical(content))


def draw_agreement(data: Agreement) -> "Figure":
    """Draw the arms' indices in percent; columns bear the numbers of the rows."""
    shown = [place for place, name in enumerate(data.arms.names) if name in data.shown]
    names = tuple(data.arms.names[place] for place in shown)
    return _draw(Matrix(names, data.arms.jaccard[np.ix_(shown, shown)]))


def draw_teacher_agreement(data: Agreement) -> "Figure | None":
    """Draw the teachers' indices in percent; None where there are none."""
    return None if data.teachers is None else _draw(data.teachers)


def _draw(matrix: Matrix) -> "Figure":
    cells = [["" if np.isnan(value) else f"{100.0 * value:.0f}" for value in line] for line in matrix.jaccard]
    rows = [f"{place}  {notation.plain(name)}" for place, name in enumerate(matrix.names, 1)]
    columns = [str(place) for place in range(1, len(rows) + 1)]
    return heat_map(matrix.jaccard, cells, (rows, columns), bounds=(0.0, 1.0), cell=_CELL)


def agreement_rows(data: Agreement) -> Rows:
    """Return one row per two arms and per two teachers, all of them."""
    matrices = {"arm": data.arms} if data.teachers is None else {"arm": data.arms, "teacher": data.teachers}
    return [
        {
            "what": what,
            "one": text(matrix.names[row]),
            "other": text(matrix.names[column]),
            "jaccard": number(None if np.isnan(matrix.jaccard[row, column]) else float(matrix.jaccard[row, column])),
        }
        for what, matrix in matrices.items()
        for row in range(len(matrix.names))
        for column in range(row + 1, len(matrix.names))
    ]


def agreement_caption(data: Agreement) -> tuple[str, str]:
    """Return what the arms' figure shows for those who cannot see it, and its caption."""
    pairs = [
        (float(data.arms.jaccard[row, column]), data.arms.names[row], data.arms.names[column])
        for row in range(len(data.arms.names))
        for column in range(row)
    ]
    most, least = max(pairs), min(pairs)
    alt = (
        f"Heat map of the agreement of {len(data.shown)} arms. Most alike: {_pair(most)}; least alike: {_pair(least)}."
    )
    caption = (
        f"Jaccard index, in percent, of the (query, positive, negative) triples that two arms begin training with on "
        f"{notation.plain(data.dataset)}, seed {data.seed}; similar arms stand together."
    )
    return alt, caption + left_out(len(data.arms.names) - len(data.shown))


def _pair(pair: tuple[float, str, str]) -> str:
    return f"{notation.plain(pair[1])} and {notation.plain(pair[2])}, {notation.percent(pair[0])}"


def teacher_agreement_caption(data: Agreement) -> tuple[str, str]:
    """Return what the teachers' figure shows for those who cannot see it, and its caption."""
    names = () if data.teachers is None else data.teachers.names
    caption = (
        f"Jaccard index, in percent, of the negatives of two teachers on {notation.plain(data.dataset)}, seed "
        f"{data.seed}: mean over the arms that differ in the teacher alone."
    )
    return f"Heat map of the agreement of the teachers {', '.join(map(notation.plain, names))}.", caption


def teacher_agreement_rows(data: Agreement) -> Rows:
    """Return the rows on teachers alone."""
    return [row for row in agreement_rows(data) if row["what"] == "teacher"]
