"""Whether the choices of a search go together, whichever of them a point combines."""

from collections.abc import Iterator, Mapping
from itertools import islice

from pydantic import ValidationError

from harness.config.knobs import KINDS, strategies, with_values
from harness.config.refresh import refresh_mistakes
from harness.config.training import guidance, objection
from harness.mistakes import check
from harness.registry import REGISTRIES
from harness.spec import ArmSpec, Choice, ChoiceSpec, Space, Value, Values, in_turn, is_asked

__all__ = ["MOST", "contradiction"]

MOST = 1000
"""Combinations that are looked at; of a space that has more, the others show only when they are asked for."""


def contradiction(arm: ArmSpec, space: Space) -> str:
    """Say which choices make no arm, and why, one combination for each reason; empty if all go together.

    Numbers with a range are left as the arm has them.
    """
    found: dict[str, str] = {}
    for values in islice(_combined(space, in_turn(space), {}), MOST):
        options = {name: _option(space, name, label) for name, label in values.items()}
        for why in _mistakes(arm, options):
            found.setdefault(why, ", ".join(f"{name}={label}" for name, label in values.items()))
    return "; ".join(f"allows {values}, where {why}" for why, values in found.items())


def _option(space: Space, name: str, label: Value) -> Choice:
    knob = space[name]
    assert isinstance(knob, ChoiceSpec)  # noqa: S101  only choices are combined
    return knob.options[label]


def _combined(space: Space, order: list[str], values: Values) -> Iterator[Values]:
    """Yield every combination of choices that a point may be asked for."""
    if not order:
        yield values
        return
    knob, rest = space[order[0]], order[1:]
    if not isinstance(knob, ChoiceSpec) or not is_asked(knob, values):
        yield from _combined(space, rest, values)
        return
    for label in knob.labels:
        yield from _combined(space, rest, {**values, order[0]: label})


def _mistakes(template: ArmSpec, options: Mapping[str, Choice]) -> Iterator[str]:
    try:
        arm = with_values(template, options)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            yield str(item.get("ctx", {}).get("error", item["msg"]))
        return
    for place, component in strategies(arm).items():
        if component is not None and any(name.startswith(f"{place}.") for name in options):
            _, found = check(REGISTRIES[KINDS[place]][component.name].factory, component.params)
            yield from (f"{place} {mistake}" for mistake in found)
    yield from _apart(arm)


def _apart(arm: ArmSpec) -> Iterator[str]:
    """Yield what does not go together in an arm whose parts are right."""
    mining, training = arm.mining, arm.training
    assert training is not None  # noqa: S101  a searched arm is trained
    if mistake := guidance(training, mining):
        yield f"training.guides {mistake}"
    if mistake := objection(training, mining):
        yield f"training.loss {mistake}"
    for key, mistake in refresh_mistakes(training, mining):
        yield f"{key} {mistake}"
    if mining is None:
        return
    if mining.confirm is not None and mining.miner.name == "random":
        yield "confirm has no effect on the miner random, which draws from the whole corpus"
    k = mining.miner.params.get("k")
    if isinstance(k, int) and mining.depth < k:
        yield f"depth must be at least the {k} negatives asked for, got {mining.depth}"
