"""The search of a sweep: which arm, over which space, how it is asked and when it ends."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import JsonValue

from harness.config.combinations import contradiction
from harness.config.findings import Findings, Setting, placed
from harness.config.space import SpaceReader, given_space
from harness.mistakes import KeyPath, shown, suggestion
from harness.parameters import parameters
from harness.spec import ArmSpec, BudgetSpec, GuardSpec, PruneSpec, SearchSpec, Spec, conditions_refused

__all__ = ["read_search"]


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
    space = given_space(given.get("space"), findings)
    arm = _arm(given.get("arm"), arms, findings)
    if arm is None:
        return None
    knobs = SpaceReader(arm, findings).read(space)
    if search is None:
        return None
    _fitting(search, arm, parts, findings)
    refused = conditions_refused(search.sampler)
    if refused and any(item.when for item in space.values()):
        findings.add(("search", "sampler"), refused)
    if len(knobs) == len(space) and (why := contradiction(arm, knobs)):
        findings.add(("search", "space"), why)
    return search.model_copy(update={"space": knobs, **parts})


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
