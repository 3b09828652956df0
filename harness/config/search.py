"""The search space of a sweep: numeric parameters of one arm by dotted name, and their ranges."""

import json
from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import JsonValue

from harness.config.findings import Findings, Setting, placed
from harness.mistakes import KeyPath, shown, suggestion
from harness.parameters import Bounds, Parameter, Shape, parameters
from harness.registry import REGISTRIES
from harness.spec import (
    ArmSpec,
    BudgetSpec,
    Component,
    GuardSpec,
    MiningSpec,
    PruneSpec,
    RangeSpec,
    SearchSpec,
    Spec,
    SuspectSpec,
    TrainingSpec,
)

__all__ = ["read_search", "searchable", "with_values"]

Number = float | int

_PLACES: dict[str, tuple[str, ...]] = {
    "base": ("base", "params"),
    "teacher": ("mining", "teacher", "params"),
    "miner": ("mining", "miner", "params"),
    "training": ("training",),
    "training.loss": ("training", "loss", "params"),
    "training.refresh": ("training", "refresh", "params"),
    "training.batching": ("training", "batching", "params"),
    "confirm": ("mining", "confirm"),
    "repair": ("mining", "repair"),
    "repair.suspect": ("mining", "repair", "suspect"),
    "": ("mining",),
}
"""Where in a dumped ArmSpec the parameters of each prefix lie; `depth` has no prefix."""


def searchable(arm: ArmSpec) -> dict[str, Parameter]:
    """Return every numeric parameter of `arm` by dotted name: `miner.share`, `training.epochs`, `depth`."""
    found = {
        f"{prefix}.{parameter.name}": parameter
        for prefix, kind, component in _components(arm)
        for parameter in parameters(REGISTRIES[kind][component.name].factory)
    }
    if arm.training is not None:
        found |= {f"training.{parameter.name}": parameter for parameter in parameters(TrainingSpec)}
    if arm.mining is not None:
        found |= {parameter.name: parameter for parameter in parameters(MiningSpec)}
        parts: dict[str, Spec | None] = {"confirm": arm.mining.confirm, "repair": arm.mining.repair}
        if arm.mining.repair is not None and isinstance(arm.mining.repair.suspect, SuspectSpec):
            parts["repair.suspect"] = arm.mining.repair.suspect
        for prefix, part in parts.items():
            if part is not None:
                found |= {f"{prefix}.{parameter.name}": parameter for parameter in parameters(type(part))}
    return {name: found[name] for name in sorted(found) if found[name].numeric}


def with_values(arm: ArmSpec, values: Mapping[str, JsonValue]) -> ArmSpec:
    """Return `arm` with the parameters named by `searchable` set to new values."""
    content = arm.model_dump(mode="json")
    for name, value in values.items():
        prefix, _, last = name.rpartition(".")
        target = content
        for step in _PLACES[prefix]:
            target = target[step]
        target[last] = value
    return ArmSpec.model_validate_json(json.dumps(content))


def _components(arm: ArmSpec) -> Iterator[tuple[str, str, Component]]:
    yield "base", "bases", arm.base
    if arm.mining is not None:
        yield "teacher", "teachers", arm.mining.teacher
        yield "miner", "miners", arm.mining.miner
    if arm.training is not None:
        yield "training.loss", "losses", arm.training.loss
        if arm.training.refresh is not None:
            yield "training.refresh", "refreshes", arm.training.refresh
        if arm.training.batching is not None:
            yield "training.batching", "batchers", arm.training.batching


def read_search(value: JsonValue, arms: Mapping[str, ArmSpec | None], findings: Findings) -> SearchSpec | None:
    """Check the `search` part; `arms` holds the sweep's arms by name, None where one is itself wrong."""
    path: KeyPath = ("search",)
    given = findings.mapping(value, path, "arm, trials and space")
    if not isinstance(value, dict):
        return None
    findings.known(given, [parameter.name for parameter in parameters(SearchSpec)], path)
    header = {key: setting for key, setting in placed(given, path).items() if key in SearchSpec.model_fields}
    parts = {
        "guard": _part(GuardSpec, header.pop("guard", None), findings),
        "budget": _part(BudgetSpec, header.pop("budget", None), findings),
        "prune": _part(PruneSpec, _in_full(header.pop("prune", None)), findings),
    }
    search = findings.build(SearchSpec, header | {"space": Setting({}, (*path, "space"))}, path)
    space = _space(given, findings)
    arm = _arm(given.get("arm"), arms, findings)
    if arm is None:
        return None
    known = searchable(arm)
    ranges = {name: _within(known, name, item, findings) for name, item in space.items()}
    if search is None:
        return None
    _fitting(search, arm, parts, findings)
    return search.model_copy(update={"space": ranges, **parts})


def _fitting(search: SearchSpec, arm: ArmSpec, parts: Mapping[str, Spec | None], findings: Findings) -> None:
    """Note settings that exclude each other, or that the arm has no use for."""
    if search.minimise == "contamination" and arm.mining is None:
        findings.add(("search", "minimise"), f"needs an arm that mines negatives; {shown(arm.name)} has none")
    others = {"guard": parts["guard"], "minimise": search.minimise}
    for name, other in others.items():
        if parts["prune"] is not None and other is not None:
            findings.add(("search", "prune"), f"does not go with {name}")


S = TypeVar("S", bound=Spec)


def _part(kind: type[S], setting: Setting | None, findings: Findings) -> S | None:
    if setting is None or setting.value is None:
        return None
    given = findings.mapping(setting.value, setting.path, kind.expected)
    return findings.build(kind, placed(given, setting.path), setting.path) if isinstance(setting.value, dict) else None


def _in_full(setting: Setting | None) -> Setting | None:
    """Write a part that is given by its name alone as a mapping."""
    if setting is None or not isinstance(setting.value, str):
        return setting
    return Setting({"name": setting.value}, setting.path)


def _arm(name: JsonValue, arms: Mapping[str, ArmSpec | None], findings: Findings) -> ArmSpec | None:
    path: KeyPath = ("search", "arm")
    if not isinstance(name, str):
        return None
    if name not in arms:
        findings.add(path, f"must be the name of an arm, got {shown(name)}{suggestion(name, arms)}")
        return None
    arm = arms[name]
    if arm is not None and arm.training is None:
        findings.add(path, f"must be an arm that is trained, got {shown(name)}")
        return None
    return arm


def _space(search: Mapping[str, JsonValue], findings: Findings) -> dict[str, RangeSpec]:
    path: KeyPath = ("search", "space")
    if not search.get("space"):
        findings.add(path, "is required: a mapping of at least one parameter, such as miner.share, to its range")
        return {}
    space = findings.mapping(search["space"], path, "parameters to ranges")
    found = {}
    for name, item in space.items():
        where = (*path, name)
        given = {} if item == "auto" else findings.mapping(item, where, "low, high and log, or auto")
        found[name] = findings.build(RangeSpec, placed(given, where), where)
    return {name: item for name, item in found.items() if item is not None}


def _within(known: Mapping[str, Parameter], name: str, given: RangeSpec, findings: Findings) -> RangeSpec:
    """Fill in the bounds that are not given, and note those that the parameter's own range excludes."""
    path: KeyPath = ("search", "space", name)
    shape = known[name].numeric if name in known else None
    if shape is None:
        findings.add(path, f"is no numeric parameter of the arm{suggestion(name, known)}")
        return given
    own_low, own_high = _closed(shape)
    low = _end(Setting(given.low if given.low is not None else own_low, (*path, "low")), shape, findings)
    high = _end(Setting(given.high if given.high is not None else own_high, (*path, "high")), shape, findings)
    if low is None or high is None:
        return given
    if low >= high:
        findings.add((*path, "low"), f"must be below high, got low {low} and high {high}")
    if given.log and low <= 0:
        findings.add((*path, "log"), f"must be false where low is not above 0, got low {low}")
    return RangeSpec(low=low, high=high, log=given.log)


def _closed(shape: Shape) -> tuple[Number | None, Number | None]:
    """Return the ends that the annotation includes; a number that it excludes is no end to search up to."""
    bounds, whole = shape.bounds, shape.base is int
    low: Number | None = bounds.low
    high: Number | None = bounds.high
    if low is not None and bounds.low_open:
        low = low + 1 if whole else None
    if high is not None and bounds.high_open:
        high = high - 1 if whole else None
    return low, high


def _end(end: Setting, shape: Shape, findings: Findings) -> Number | None:
    value = end.value
    if value is None:
        findings.add(end.path, f"is required: the parameter is {shape}, which has no end of its own to search up to")
        return None
    assert isinstance(value, int | float)  # noqa: S101  RangeSpec holds nothing else
    if shape.base is int and not isinstance(value, int):
        findings.add(end.path, f"must be {shape}, got {value}")
        return None
    if shape.bounds != Bounds() and value not in shape.bounds:
        findings.add(end.path, f"must be {shape.bounds}, got {value}")
        return None
    return value if shape.base is int else float(value)
