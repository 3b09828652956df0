"""What sets two arms apart, and two plans of one sweep, in words."""

import json
from collections.abc import Iterable, Iterator, Mapping

from pydantic import JsonValue

from harness.spec import ArmSpec, SweepPlan

__all__ = ["changes", "differences"]


def differences(arm: ArmSpec, baseline: ArmSpec) -> list[str]:
    """Name the factors in which two arms differ, as dotted keys; empty if they are the same."""
    left, right = (_factors(other.model_dump(mode="json", exclude={"name"})) for other in (arm, baseline))
    differing = {key for key in {*left, *right} if left.get(key, _ABSENT) != right.get(key, _ABSENT)}
    # what an arm without mining, training or repair lacks is one difference, not one per setting
    differing = {_lacked(key, right if key in left else left) for key in differing}
    return sorted(key for key in differing if key.partition(".")[0] not in differing - {key})


_ABSENT = object()


def _lacked(key: str, other: Iterable[str]) -> str:
    """Return the shortest beginning of a dotted key of which `other` has nothing, else the key."""
    steps = key.split(".")
    for length in range(1, len(steps)):
        start = ".".join(steps[:length])
        if not any(f"{there}.".startswith(f"{start}.") for there in other):
            return start
    return key


def _factors(content: Mapping[str, JsonValue], prefix: str = "") -> dict[str, JsonValue]:
    """Flatten an arm's content; a component counts as one factor, its parameters included."""
    flat: dict[str, JsonValue] = {}
    for key, value in content.items():
        if isinstance(value, dict) and "params" not in value:
            flat.update(_factors(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


_VALUES = ("question", "metric", "equal_queries", "drop_own")


def changes(before: SweepPlan, after: SweepPlan) -> list[str]:
    """Say in words what a later plan of a sweep changes; not empty where their hashes differ."""
    said = [
        f"{name} changed from {_quoted(getattr(before, name))} to {_quoted(getattr(after, name))}"
        for name in _VALUES
        if getattr(before, name) != getattr(after, name)
    ]
    said += _listed("seed", map(str, before.seeds), map(str, after.seeds))
    said += _listed("dataset", *((each.label for each in plan.datasets) for plan in (before, after)))
    said += _listed("further set", *((each.label for each in plan.evaluate) for plan in (before, after)))
    said += _arms(before, after)
    said += _listed("comparison", _compared(before), _compared(after))
    said += _listed("exclusion", before.exclusions, after.exclusions)
    if before.search != after.search:
        states = {(False, True): "added", (True, False): "removed"}
        said.append(f"search {states.get((before.search is not None, after.search is not None), 'changed')}")
    return said + _contents(before, after)


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _listed(what: str, before: Iterable[str], after: Iterable[str]) -> Iterator[str]:
    """Say what of two lists was added or removed, and, where neither, that their order changed."""
    old, new = list(before), list(after)
    yield from (f"{what} added: {each}" for each in new if each not in old)
    yield from (f"{what} removed: {each}" for each in old if each not in new)
    if old != new and sorted(old) == sorted(new):
        yield f"{what}s put in another order"


def _compared(plan: SweepPlan) -> list[str]:
    return [f"{each.arm} with {each.baseline} on {each.dataset}" for each in plan.comparisons]


def _arms(before: SweepPlan, after: SweepPlan) -> Iterator[str]:
    yield from _listed("arm", *([arm.name for arm in plan.arms] for plan in (before, after)))
    old = {arm.name: arm for arm in before.arms}
    for arm in after.arms:
        factors = differences(arm, old.get(arm.name, arm))
        if factors:
            yield f"arm changed: {arm.name} ({', '.join(factors)})"


def _contents(before: SweepPlan, after: SweepPlan) -> list[str]:
    """Say how many runs that both plans have, of arms that stayed as they were, are to be carried out anew."""
    old, arms = _placed(before), {arm.name: arm for arm in before.arms}
    stayed = {arm.name for arm in after.arms if arms.get(arm.name) == arm}
    anew = sum(
        fingerprint != old.get(place, fingerprint)
        for place, fingerprint in _placed(after).items()
        if place[0] in stayed
    )
    what = "the content of data or models, the sets or the pairs that bind them changed"
    return [f"runs of unchanged arms to be carried out anew: {anew} ({what})"] if anew else []


def _placed(plan: SweepPlan) -> dict[tuple[str, str, int], str]:
    return {(run.arm, run.dataset, run.seed): run.fingerprint for run in plan.runs}
