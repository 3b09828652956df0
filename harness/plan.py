"""SweepSpec -> validated, de-duplicated runs; which of them are done; what the rest may cost."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from harness.amendments import changes, differences
from harness.errors import StorageError
from harness.evaluation.sets import expanded, numbered
from harness.fingerprint import canonical, digest
from harness.record import RunRecord, read_record, write_text
from harness.registry import BASES, DATASETS, TEACHERS, Registry
from harness.spec import (
    Amendment,
    ArmSpec,
    Comparison,
    Component,
    MiningSpec,
    PlannedRun,
    RunSpec,
    SweepPlan,
    SweepSpec,
)
from harness.sweep_files import read_plan, read_sweep

__all__ = [
    "Estimate",
    "Plan",
    "chosen_hash",
    "differences",
    "estimate",
    "expand",
    "fixed_arms",
    "keep",
    "make_plan",
    "statuses",
]


@dataclass(frozen=True)
class Plan:
    """What `plan.json` will hold, and the spec of each of its runs, in the same order."""

    sweep: SweepPlan
    specs: tuple[RunSpec, ...]


class _Identified(Protocol):
    def identity(self) -> str: ...


def make_plan(sweep: SweepSpec) -> Plan:
    """Expand a sweep into its runs: dataset by dataset, arm by arm, seed by seed.

    Reads no more of the data than its identity takes. Raises DataError or ModelError
    where there is nothing to identify.
    """
    planned = expand(fixed_arms(sweep), sweep)
    names = dataset_names(sweep.datasets)
    content = SweepPlan(
        name=sweep.name,
        question=sweep.question,
        metric=sweep.metric,
        seeds=sweep.seeds,
        equal_queries=sweep.equal_queries,
        arms=sweep.arms,
        datasets=sweep.datasets,
        comparisons=tuple(_comparisons(sweep, names)),
        runs=tuple(run for run, _ in planned),
        search=sweep.search,
        evaluate=expanded(sweep.evaluate),
        drop_own=sweep.drop_own,
        exclusions=sweep.exclusions,
    )
    return Plan(content.model_copy(update={"hash": chosen_hash(content)}), tuple(spec for _, spec in planned))


UNCHOSEN = frozenset({"hash", "amends", "amendments", "splits", "family"})
"""Fields of a plan that nobody chose: they are no part of its hash."""


def chosen_hash(plan: SweepPlan) -> str:
    """Return 16 hex digits over all of a plan that somebody chose."""
    return digest(plan.model_dump(mode="json", exclude=set(UNCHOSEN)), 16)


def fixed_arms(sweep: SweepSpec) -> tuple[ArmSpec, ...]:
    """Return the arms that are run as they stand: all but the one that a search varies."""
    return tuple(arm for arm in sweep.arms if sweep.search is None or arm.name != sweep.search.arm)


def expand(arms: Iterable[ArmSpec], sweep: SweepSpec) -> list[tuple[PlannedRun, RunSpec]]:
    """Return every run of `arms` on the sweep's datasets and seeds."""
    names = dataset_names(sweep.datasets)
    dropping = _dropping(sweep)
    further = expanded(sweep.evaluate)
    result = []
    for name, dataset in zip(names, sweep.datasets, strict=True):
        for arm in arms:
            equal_with = dropping if arm.training else ()
            first = RunSpec(
                arm=arm,
                dataset=dataset,
                seed=sweep.seeds[0],
                identities=_identities(arm, dataset, equal_with) | _further_identities(further),
                equal_with=equal_with,
                evaluate=further,
                drop_own=sweep.drop_own,
            )
            for fingerprint, spec in first.with_seeds(sweep.seeds):
                planned = PlannedRun(fingerprint=fingerprint, arm=arm.name, dataset=name, seed=spec.seed)
                result.append((planned, spec))
    return result


def dataset_names(datasets: Iterable[Component]) -> list[str]:
    """Name each dataset for people: its folder's name or its source's, numbered where that repeats."""
    return numbered(map(_own_name, datasets))


def _own_name(dataset: Component) -> str:
    """Name a dataset by its folder or source; one that resamples another also by its fold or side."""
    path, inner = dataset.params.get("path"), dataset.params.get("dataset")
    if isinstance(path, str) and path:
        return Path(path).resolve().name
    if not isinstance(inner, dict):
        return dataset.name
    fold, side = dataset.params.get("fold"), dataset.params.get("side")
    which = f"fold {fold}" if fold is not None else str(side or dataset.name)
    return f"{_own_name(Component.model_validate(inner))} {which}"


def _dropping(sweep: SweepSpec) -> tuple[MiningSpec, ...]:
    """List the distinct minings that drop pairs, when their losses are to be everyone's."""
    if not sweep.equal_queries:
        return ()
    found = [arm.mining for arm in sweep.arms if arm.mining is not None and arm.mining.on_shortage == "drop"]
    return tuple({canonical(mining): mining for mining in found}.values())


def _identities(arm: ArmSpec, dataset: Component, equal_with: tuple[MiningSpec, ...]) -> dict[str, str]:
    identities = {"dataset": _identity(DATASETS, dataset), "base": _identity(BASES, arm.base)}
    if arm.mining is not None:
        identities |= {key: _identity(TEACHERS, teacher) for key, teacher in arm.mining.teachers.items()}
    if arm.training is not None:
        guides = enumerate(arm.training.guides)
        identities |= {f"guides[{place}]": _identity(TEACHERS, guide) for place, guide in guides}
    for place, mining in enumerate(equal_with):
        named = mining.teachers.items()
        identities |= {f"equal_with[{place}].{key}": _identity(TEACHERS, teacher) for key, teacher in named}
    return identities


def _further_identities(further: Iterable[Component]) -> dict[str, str]:
    return {f"evaluate[{place}]": _identity(DATASETS, dataset) for place, dataset in enumerate(further)}


def _identity(registry: Registry, component: Component) -> str:
    return _cached_identity(registry, component.model_dump_json())


@cache
def _cached_identity(registry: Registry, component: str) -> str:
    described = Component.model_validate_json(component)
    return cast("_Identified", registry.create(described.name, described.params)).identity()


def _comparisons(sweep: SweepSpec, datasets: list[str]) -> Iterable[Comparison]:
    if sweep.baseline is None:
        return
    arms = sweep.comparisons
    if arms is None:
        arms = tuple(arm.name for arm in sweep.arms if arm.name != sweep.baseline)
    for dataset in datasets:
        for arm in arms:
            yield Comparison(arm=arm, baseline=sweep.baseline, dataset=dataset)


def statuses(plan: Plan, results: Path) -> list[RunRecord | None]:
    """Return the record of each run of the plan, None where there is none yet."""
    runs = results / "runs"
    there = {path.name for path in runs.iterdir()} if runs.exists() else set()
    return [_record(runs / run.fingerprint) if run.fingerprint in there else None for run in plan.sweep.runs]


def _record(folder: Path) -> RunRecord | None:
    return read_record(folder) if (folder / "record.json").exists() else None


@dataclass(frozen=True)
class Estimate:
    """What a plan asks for: runs in all, finished before, and seconds on one worker for the rest.

    `measured` tells whether the seconds come from runs that this sweep has finished.
    """

    total: int
    finished: int
    seconds: float
    measured: bool


_OVERHEAD = 3.0
_PAIRS = 1000


def estimate(plan: Plan, records: list[RunRecord | None]) -> Estimate:
    """Estimate the cost of what is left, from finished runs of the same base where there are any."""
    spent: dict[str, list[float]] = {}
    for record in records:
        if record is not None and record.status == "finished":
            spent.setdefault(record.spec.arm.base.name, []).append(sum(record.timings.values()))
    left = [
        spec for spec, record in zip(plan.specs, records, strict=True) if record is None or record.status != "finished"
    ]
    seconds = 0.0
    for spec in left:
        known = spent.get(spec.arm.base.name)
        seconds += sum(known) / len(known) if known else _guess(spec)
    return Estimate(len(records), len(records) - len(left), seconds, bool(spent) or not left)


def _guess(spec: RunSpec) -> float:
    base = BASES[spec.arm.base.name].factory
    pairs = spec.dataset.params.get("train_pairs", _PAIRS)
    epochs = spec.arm.training.epochs if spec.arm.training else 0
    cost = cast("float", vars(base).get("seconds_per_pair", 0.0))
    return _OVERHEAD + cost * epochs * (pairs if isinstance(pairs, int) else _PAIRS)


def keep(plan: Plan, results: Path) -> SweepPlan:
    """Write `plan.json` before the first run; an earlier plan that differs is kept, and what changed is said.

    Raises StorageError if the earlier one is not as it was written: what it had fixed can
    no longer be told.
    """
    path = results / "plan.json"
    kept = plan.sweep
    if path.exists():
        before = read_plan(results)
        _require_unchanged(before, path)
        amends, amendments = before.amends, before.amendments
        if before.hash != kept.hash:
            write_text(results / "plans" / f"{before.hash}.json", path.read_text(encoding="utf-8"))
            amends = (*amends, before.hash)
            amendments = (*amendments, _amendment(before, kept, results))
        kept = kept.model_copy(update={"amends": amends, "amendments": amendments})
    text = json.dumps(kept.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    return kept


def _require_unchanged(plan: SweepPlan, path: Path) -> None:
    found = chosen_hash(plan)
    if plan.hash != found:
        message = (
            f"{path} was changed after it was written: its content gives {found}, it says {plan.hash}; "
            "put it back as it was, and change the sweep file instead: what that changes becomes an amendment"
        )
        raise StorageError(message)


def _amendment(before: SweepPlan, after: SweepPlan, results: Path) -> Amendment:
    """Say how far the earlier plan had been carried out, points of its search included, and what the later changes."""
    planned = {run.fingerprint for run in read_sweep(results).runs}
    folders = [results / "runs" / fingerprint for fingerprint in planned]
    finished = sum((folder / "record.json").exists() and read_record(folder).status == "finished" for folder in folders)
    return Amendment(hash=before.hash, finished=finished, changes=tuple(changes(before, after)))
