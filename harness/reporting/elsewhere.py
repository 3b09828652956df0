"""How each arm does on the sets that a sweep evaluates besides its own datasets: numbers, then text."""

import csv
import io
from dataclasses import dataclass

import numpy as np

from harness.evaluation.sets import set_names, split_label
from harness.reporting import notation
from harness.reporting.exports import escape_csv, escape_markdown, latex_grid, markdown_grid
from harness.reporting.results import Cell, Results

__all__ = ["ArmOnSets", "SetsTable", "sets_data", "sets_files", "sets_tables"]

_SETS_ABREAST = 5
"""Sets side by side in the PDF; further ones go below."""


@dataclass(frozen=True)
class ArmOnSets:
    """One arm's mean over seeds on its own test split and on each set; None where a run has no such number."""

    arm: str
    own: float | None
    scores: tuple[float | None, ...]
    seeds: int

    @property
    def mean(self) -> float | None:
        """The unweighted mean over the sets; None where one is missing."""
        known = [score for score in self.scores if score is not None]
        return float(np.mean(known)) if len(known) == len(self.scores) else None


@dataclass(frozen=True)
class SetsTable:
    """The arms that were trained on one dataset, in the order of the plan, on the test split of every set."""

    dataset: str
    metric: str
    sets: tuple[str, ...]
    rows: tuple[ArmOnSets, ...]


def sets_tables(results: Results) -> tuple[SetsTable, ...]:
    """Return a table for each dataset; none if the sweep evaluates on nothing else."""
    plan = results.plan
    names = tuple(set_names(plan.evaluate))
    if not names:
        return ()
    return tuple(
        SetsTable(
            dataset, plan.metric, names, tuple(_row(cell, plan.metric, len(names)) for cell in results.on(dataset))
        )
        for dataset in results.datasets
    )


def _row(cell: Cell, metric: str, sets: int) -> ArmOnSets:
    scores = tuple(_mean_on(cell, place, metric) for place in range(sets))
    return ArmOnSets(cell.arm.name, cell.mean_metric("test", metric), scores, len(cell.runs))


def _mean_on(cell: Cell, place: int, metric: str) -> float | None:
    """Return the mean over runs; each run names its sets itself, for a folder may have moved since."""
    found = [
        run.metrics.get(split_label("test", set_names(run.spec.evaluate)[place]), {}).get(metric)
        for run in cell.runs
        if place < len(run.spec.evaluate)
    ]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known and len(known) == len(cell.runs) else None


def sets_files(results: Results) -> dict[str, str]:
    """Return the tables as Markdown, CSV and LaTeX by file name; nothing if there is no set."""
    tables = sets_tables(results)
    if not tables:
        return {}
    return {"sets.md": _markdown(tables), "sets.csv": _csv(tables), "sets.tex": _latex(tables)}


def sets_data(results: Results) -> list[dict[str, object]]:
    """Return what the PDF prints: for each dataset its title and tables of a few sets each."""
    return [
        {
            "name": notation.plain(table.dataset),
            "metric": notation.METRICS[table.metric],
            "tables": [_abreast(table, first) for first in range(0, len(table.sets), _SETS_ABREAST)],
        }
        for table in sets_tables(results)
    ]


def _abreast(table: SetsTable, first: int) -> dict[str, object]:
    part = slice(first, first + _SETS_ABREAST)
    titles = ["Arm", "Own", *map(notation.plain, table.sets[part]), "Mean of sets"]
    lines = [[cells[0], cells[1], *cells[2:-1][part], cells[-1]] for cells in _cells(table)]
    return {
        "columns": [{"title": title, "text": title == "Arm"} for title in titles],
        "rows": [{"cells": line, "strong": False} for line in lines],
    }


def _cells(table: SetsTable) -> list[list[str]]:
    return [
        [notation.plain(row.arm), *(notation.decimal(value) for value in (row.own, *row.scores, row.mean))]
        for row in table.rows
    ]


def _titles(table: SetsTable) -> list[tuple[str, bool]]:
    return [("Arm", True), ("Own", False), *((name, False) for name in table.sets), ("Mean of sets", False)]


def _heading(table: SetsTable) -> str:
    return f"{table.dataset}: {notation.METRICS[table.metric]} on the test split of further sets, means over seeds"


def _markdown(tables: tuple[SetsTable, ...]) -> str:
    parts = [
        (f"## {escape_markdown(_heading(table))}", markdown_grid(_titles(table), _cells(table))) for table in tables
    ]
    return "\n\n".join(text for part in parts for text in part) + "\n"


def _latex(tables: tuple[SetsTable, ...]) -> str:
    parts = [f"% {notation.plain(_heading(table))}\n{latex_grid(_titles(table), _cells(table))}" for table in tables]
    return "\n\n".join(["% \\usepackage{booktabs}", *parts]) + "\n"


def _csv(tables: tuple[SetsTable, ...]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["dataset", "arm", "set", "metric", "mean", "seeds_done"])
    for table in tables:
        for row in table.rows:
            for name, score in zip(table.sets, row.scores, strict=True):
                names = [escape_csv(text) for text in (table.dataset, row.arm, name, table.metric)]
                writer.writerow([*names, "" if score is None else f"{score:.6g}", row.seeds])
    return stream.getvalue()
