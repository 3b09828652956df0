"""What a search may set in an arm, by the dotted name that it has in a sweep file."""

import json
from collections.abc import Iterator, Mapping

from harness.parameters import Parameter, parameters
from harness.registry import REGISTRIES
from harness.spec import ArmSpec, Choice, Component, MiningSpec, Spec, SuspectSpec, TrainingSpec

__all__ = ["KINDS", "parameters_of", "searchable", "settable", "strategies", "with_values"]

KINDS: dict[str, str] = {
    "base": "bases",
    "teacher": "teachers",
    "miner": "miners",
    "training.loss": "losses",
    "training.refresh": "refreshes",
    "training.batching": "batchers",
}
"""The strategies of an arm that a search may choose, and the registries that they come from."""

_STRATEGIES: dict[str, tuple[str, ...]] = {
    "base": ("base",),
    "teacher": ("mining", "teacher"),
    "miner": ("mining", "miner"),
    "training.loss": ("training", "loss"),
    "training.refresh": ("training", "refresh"),
    "training.batching": ("training", "batching"),
}
"""Where in a dumped ArmSpec each of them lies."""

_PLACES: dict[str, tuple[str, ...]] = {
    **{name: (*place, "params") for name, place in _STRATEGIES.items()},
    "training": ("training",),
    "confirm": ("mining", "confirm"),
    "repair": ("mining", "repair"),
    "repair.suspect": ("mining", "repair", "suspect"),
    "": ("mining",),
}
"""Where in a dumped ArmSpec the parameters of each prefix lie; `depth` has no prefix."""


def strategies(arm: ArmSpec) -> dict[str, Component | None]:
    """Return what `arm` has in each place for which a search may choose a strategy; None for a place left empty."""
    found: dict[str, Component | None] = {"base": arm.base}
    if arm.mining is not None:
        found |= {"teacher": arm.mining.teacher, "miner": arm.mining.miner}
    if arm.training is not None:
        found |= {
            "training.loss": arm.training.loss,
            "training.refresh": arm.training.refresh,
            "training.batching": arm.training.batching,
        }
    return found


def parameters_of(place: str, component: Component | None) -> dict[str, Parameter]:
    """Return the parameters of the strategy in a place, by dotted name; an empty place has none."""
    if component is None:
        return {}
    found = parameters(REGISTRIES[KINDS[place]][component.name].factory)
    return _under(place, found)


def settable(arm: ArmSpec) -> dict[str, Parameter]:
    """Return every parameter of `arm` that is a number, text, true or false, or one of some words, by dotted name."""
    found: dict[str, Parameter] = {}
    for place, component in strategies(arm).items():
        found |= parameters_of(place, component)
    for prefix, part in _parts(arm):
        found |= _under(prefix, parameters(part))
    return {name: found[name] for name in sorted(found) if found[name].plain}


def searchable(arm: ArmSpec) -> dict[str, Parameter]:
    """Return every numeric parameter of `arm` by dotted name: `miner.share`, `training.epochs`, `depth`."""
    return {name: parameter for name, parameter in settable(arm).items() if parameter.numeric}


def _under(prefix: str, found: tuple[Parameter, ...]) -> dict[str, Parameter]:
    return {f"{prefix}.{parameter.name}".lstrip("."): parameter for parameter in found}


def _parts(arm: ArmSpec) -> Iterator[tuple[str, type[Spec]]]:
    """Yield the parts of an arm that are no strategies, by the prefix of their parameters."""
    if arm.training is not None:
        yield "training", TrainingSpec
    if arm.mining is None:
        return
    yield "", MiningSpec
    if arm.mining.confirm is not None:
        yield "confirm", type(arm.mining.confirm)
    if arm.mining.repair is not None:
        yield "repair", type(arm.mining.repair)
        if isinstance(arm.mining.repair.suspect, SuspectSpec):
            yield "repair.suspect", SuspectSpec


def with_values(arm: ArmSpec, values: Mapping[str, Choice]) -> ArmSpec:
    """Return `arm` with new values for what `settable` names, and new strategies in the places of `strategies`.

    Strategies come first, so that their parameters may be set beside them. Raises
    pydantic's ValidationError where the values do not go together.
    """
    content = arm.model_dump(mode="json")
    for name, value in sorted(values.items()):
        if name in _STRATEGIES:
            *steps, last = _STRATEGIES[name]
        else:
            prefix, _, last = name.rpartition(".")
            steps = list(_PLACES[prefix])
        target = content
        for step in steps:
            target = target[step]
        target[last] = value.model_dump(mode="json") if isinstance(value, Component) else value
    return ArmSpec.model_validate_json(json.dumps(content))
