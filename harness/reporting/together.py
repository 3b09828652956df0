"""Several sweeps as one: equal arms and datasets meet, different ones of the same name are told apart."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.errors import DataError
from harness.evaluation.sets import numbered
from harness.fingerprint import canonical, digest
from harness.reporting.results import Cell, Incident, Results, check_queries
from harness.spec import ArmSpec, Comparison, SweepPlan

__all__ = ["together"]

_LONGEST_NAME = 64

Names = list[dict[str, str]]
"""For each sweep, what its arms (or datasets) are called in the whole."""


def together(parts: Sequence[Results]) -> Results:
    """Combine the results of sweeps that share metric and, as far as they overlap, test queries.

    Arms are equal if their content is, whatever they are called; datasets by their
    identity. The baseline is that of the first sweep that has one. Comparisons that
    another sweep planned with another baseline are left to its own report, which
    `remarks` say. Raises DataError for different metrics, more than one search, or runs
    of one dataset on different queries.
    """
    if len(parts) == 1:
        return parts[0]
    _check(parts)
    titles = numbered(part.plan.name for part in parts)
    arms = _names([{arm.name: _arm_key(part, arm) for arm in part.plan.arms} for part in parts], titles)
    datasets = _names([{name: _dataset_key(part, name) for name in part.datasets} for part in parts], titles)
    cells: dict[tuple[str, str], Cell] = {}
    for part, arm, dataset in zip(parts, arms, datasets, strict=True):
        for (name, where), cell in part.cells.items():
            key = (arm[name], dataset[where])
            renamed = replace(cell, arm=cell.arm.model_copy(update={"name": key[0]}), dataset=key[1])
            cells[key] = _merged(cells[key], renamed) if key in cells else renamed
    check_queries(cells)
    plan, remarks = _plan(parts, titles, arms, datasets)
    incidents = [
        replace(item, arm=arm[item.arm], dataset=dataset[item.dataset])
        for part, arm, dataset in zip(parts, arms, datasets, strict=True)
        for item in part.incidents
    ]
    left = tuple(item for item in dict.fromkeys(incidents) if not _done(cells, item))
    homes = {fingerprint: home for part in reversed(parts) for fingerprint, home in part.homes.items()}
    guarded = {name: value for part in parts for name, value in part.guarded.items()}
    return Results(plan, cells, left, homes, remarks, guarded)


def _check(parts: Sequence[Results]) -> None:
    metrics = {part.plan.name: part.plan.metric for part in parts}
    if len(set(metrics.values())) > 1:
        said = ", ".join(f"{name} by {metric}" for name, metric in metrics.items())
        message = f"sweeps that are judged by different metrics cannot be reported together: {said}"
        raise DataError(message)
    searching = [part.plan.name for part in parts if part.plan.search is not None]
    if len(searching) > 1:
        message = f"at most one of the sweeps reported together may have a search, got {', '.join(searching)}"
        raise DataError(message)


def _arm_key(part: Results, arm: ArmSpec) -> str:
    """Return what makes an arm what it is: its content, its models' and the pairs that others take from it."""
    run = next((run for cell in part.cells.values() if cell.arm.name == arm.name for run in cell.runs), None)
    around: list[object] = [None]
    if run is not None:
        models = {what: each for what, each in run.spec.identities.items() if what[:7] not in {"dataset", "evaluat"}}
        around = [models, run.spec.equal_with, run.spec.drop_own]
    return canonical([arm.model_dump(mode="json", exclude={"name"}), *around])


def _dataset_key(part: Results, name: str) -> str:
    run = next((run for cell in part.on(name) for run in cell.runs), None)
    return canonical([part.plan.name, name]) if run is None else run.spec.identities.get("dataset", name)


def _names(parts: list[dict[str, str]], titles: list[str]) -> Names:
    """Name everything once: by its first name, with its sweep's title where another thing is called so."""
    by_key: dict[str, str] = {}
    for keys, title in zip(parts, titles, strict=True):
        for name, key in keys.items():
            if key not in by_key:
                by_key[key] = name if name not in by_key.values() else f"{name} ({title})"
    return [{name: by_key[key] for name, key in keys.items()} for keys in parts]


def _merged(one: Cell, other: Cell) -> Cell:
    """Put the seeds of two cells of the same arm and dataset together; the first has precedence."""
    new = [index for index, seed in enumerate(other.seeds) if seed not in one.seeds]
    if not one.runs or not new:
        return replace(one if one.runs else other, planned=max(one.planned, other.planned))
    if one.queries != other.queries:
        check_queries({("one", one.dataset): one, ("other", one.dataset): other})
    return replace(
        one,
        planned=max(one.planned, other.planned, len(one.seeds) + len(new)),
        seeds=(*one.seeds, *(other.seeds[index] for index in new)),
        runs=(*one.runs, *(other.runs[index] for index in new)),
        scores=np.column_stack([one.scores, other.scores[:, new]]),
    )


def _done(cells: dict[tuple[str, str], Cell], item: Incident) -> bool:
    return item.seed in cells[item.arm, item.dataset].seeds


def _plan(
    parts: Sequence[Results], titles: list[str], arms: Names, datasets: Names
) -> tuple[SweepPlan, tuple[str, ...]]:
    plans = [part.plan for part in parts]
    planned = [
        Comparison(arm=arm[item.arm], baseline=arm[item.baseline], dataset=dataset[item.dataset])
        for plan, arm, dataset in zip(plans, arms, datasets, strict=True)
        for item in plan.comparisons
    ]
    baseline = planned[0].baseline if planned else None
    remarks = [
        f"The comparisons that {title} planned have another baseline, {arm[part.baseline]}: see its own report."
        for part, title, arm in zip(parts, titles, arms, strict=True)
        if part.baseline is not None and arm[part.baseline] != baseline
    ]
    same_sets = all(plan.evaluate == plans[0].evaluate for plan in plans)
    if not same_sets:
        remarks.append("The sweeps were evaluated on different further sets, which their own reports show.")
    named = {arm[spec.name]: spec for plan, arm in zip(plans, arms, strict=True) for spec in plan.arms}
    runs = [
        run.model_copy(update={"arm": arm[run.arm], "dataset": dataset[run.dataset]})
        for plan, arm, dataset in zip(plans, arms, datasets, strict=True)
        for run in plan.runs
    ]
    plan = plans[0].model_copy(
        update={
            "name": "+".join(titles)[:_LONGEST_NAME],
            "question": " / ".join(dict.fromkeys(plan.question for plan in plans)),
            "seeds": tuple(dict.fromkeys(seed for plan in plans for seed in plan.seeds)),
            "equal_queries": all(plan.equal_queries for plan in plans),
            "arms": tuple(spec.model_copy(update={"name": name}) for name, spec in named.items()),
            "datasets": tuple({canonical(each): each for plan in plans for each in plan.datasets}.values()),
            "comparisons": tuple(dict.fromkeys(item for item in planned if item.baseline == baseline)),
            "runs": tuple(dict.fromkeys(runs)),
            "search": next((plan.search for plan in plans if plan.search is not None), None),
            "evaluate": plans[0].evaluate if same_sets else (),
            "hash": digest([plan.hash for plan in plans], 16),
            "amends": tuple(amended for plan in plans for amended in plan.amends),
        }
    )
    return plan, tuple(remarks)
