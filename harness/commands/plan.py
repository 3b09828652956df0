"""`winnow plan`: what a sweep would run, what is done, and what the rest may cost."""

import json
from collections.abc import Iterator
from pathlib import Path

from harness.evaluation.sets import set_names
from harness.plan import Estimate, Plan, differences, estimate, fixed_arms, make_plan, statuses
from harness.record import RunRecord
from harness.spec import SweepPlan, SweepSpec
from harness.trusted import trusted

__all__ = ["plan_text"]

_MINUTES_FROM = 120.0
"""Seconds from which on a duration is given in minutes."""


def plan_text(spec: SweepSpec, results: Path, *, as_json: bool) -> str:
    """Plan a sweep, look up what is done of it below `results`, and return what is to be printed."""
    plan = make_plan(spec)
    records = statuses(plan, results / spec.name)
    cost = estimate(plan, records)
    if as_json:
        return _json(plan, records, cost)
    return "\n".join([*_arms(spec, plan, records), *_around(plan.sweep), *_cost(cost)])


def _json(plan: Plan, records: list[RunRecord | None], cost: Estimate) -> str:
    done = ["missing" if record is None else record.status for record in records]
    runs = [{**run.model_dump(), "status": status} for run, status in zip(plan.sweep.runs, done, strict=True)]
    content = {
        "name": plan.sweep.name,
        "plan": plan.sweep.hash,
        "runs": runs,
        "finished": cost.finished,
        "estimated_seconds": round(cost.seconds, 1),
        "estimate": "measured" if cost.measured else "rough",
        "model_code": trusted([plan.sweep]),
    }
    return json.dumps(content, indent=1)


def _arms(spec: SweepSpec, plan: Plan, records: list[RunRecord | None]) -> Iterator[str]:
    """Yield the question, and a line for each arm: how many of its runs are done, and how it differs."""
    yield f"{spec.name}: {spec.question}"
    baseline = next((arm for arm in spec.arms if arm.name == spec.baseline), None)
    by_arm: dict[str, list[RunRecord | None]] = {arm.name: [] for arm in fixed_arms(spec)}
    for run, record in zip(plan.sweep.runs, records, strict=True):
        by_arm[run.arm].append(record)
    for arm in fixed_arms(spec):
        mine = by_arm[arm.name]
        done = sum(record is not None and record.status == "finished" for record in mine)
        note = f"  differs in {', '.join(differences(arm, baseline))}" if baseline and arm != baseline else ""
        yield f"  {done}/{len(mine)} {arm.name}{note if arm != baseline else '  (baseline)'}"


def _around(plan: SweepPlan) -> Iterator[str]:
    """Yield what a plan has besides its arms: a search, further sets, models that run code of their own."""
    if plan.search is not None:
        yield f"  search: {plan.search.trials} points of '{plan.search.arm}' by {plan.search.sampler} over"
        for name, knob in plan.search.space.items():
            yield f"    {name}: {knob}"
    if plan.evaluate:
        yield f"  evaluated on {', '.join(set_names(plan.evaluate))} too"
    for model in trusted([plan]):
        yield f"  runs the code of {model}"


def _cost(cost: Estimate) -> Iterator[str]:
    if cost.finished == cost.total:
        yield f"all {cost.total} runs are finished"
        return
    basis = "as measured on finished runs" if cost.measured else "a rough guess"
    left = f"{cost.seconds:.0f} s" if cost.seconds < _MINUTES_FROM else f"{cost.seconds / 60:.0f} min"
    yield f"{cost.finished} of {cost.total} runs are finished; the rest take about {left} ({basis}),"
    yield "divided by the number of workers, after data and teachers are prepared."
