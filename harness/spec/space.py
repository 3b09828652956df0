"""The space of a search: knobs by dotted name, each a range or a list of choices, some under a condition."""

from collections import Counter
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated

from pydantic import Field

from harness.spec.base import Component, Spec

__all__ = ["Choice", "ChoiceSpec", "Knob", "RangeSpec", "Space", "Value", "Values", "in_turn", "is_asked", "written"]

Value = bool | int | float | str
"""What a point says of one knob; of a choice among strategies, its label."""

Values = dict[str, Value]
"""A point: its value of every knob that it was asked for."""

Choice = Component | Value | None
"""What is put into an arm: a strategy, a value of a parameter, or nothing."""

_NONE = "none"


def _empty(value: object) -> bool:
    return value == {}


When = Annotated[dict[str, tuple[Value, ...]], Field(exclude_if=_empty)]
"""Other knobs, and the values at which this one is asked for; with no condition no part of any digest."""


class RangeSpec(Spec):
    """Bounds of one searched parameter, both included; unset bounds come from its annotation."""

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    when: When = Field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.low} to {self.high}{', on a logarithmic scale' if self.log else ''}{_condition(self.when)}"


class ChoiceSpec(Spec):
    """Values of one searched parameter, or strategies for one place of the arm; null stands for none."""

    choices: tuple[Choice, ...]
    when: When = Field(default_factory=dict)

    @property
    def labels(self) -> list[Value]:
        """What each choice is called, in their order.

        A strategy is called by its name; where several have the same, by the parameters in which they differ too.
        """
        return _labels(self.choices)

    @property
    def options(self) -> dict[Value, Choice]:
        """What each label stands for, in the order of the choices."""
        return dict(zip(self.labels, self.choices, strict=True))

    def __str__(self) -> str:
        return f"one of {', '.join(map(written, self.labels))}{_condition(self.when)}"


Knob = RangeSpec | ChoiceSpec
Space = Mapping[str, Knob]


def _labels(choices: Sequence[Choice]) -> list[Value]:
    components = [choice for choice in choices if isinstance(choice, Component)]
    names = Counter(component.name for component in components)
    labels: list[Value] = []
    for choice in choices:
        if isinstance(choice, Component):
            alike = [other for other in components if other.name == choice.name]
            labels.append(choice.name if names[choice.name] == 1 else _told_apart(choice, alike))
        else:
            labels.append(_NONE if choice is None else choice)
    return labels


def _told_apart(choice: Component, alike: Sequence[Component]) -> str:
    """Return the label of a strategy with the parameters that not all of the same name have in common."""
    names = sorted({name for other in alike for name in other.params})
    own = {name: choice.params.get(name) for name in names}
    differing = [name for name in names if any(other.params.get(name) != own[name] for other in alike)]
    return Component(name=choice.name, params={name: own[name] for name in differing}).label


def _condition(when: Mapping[str, Sequence[Value]]) -> str:
    said = [f"{knob} is {' or '.join(map(written, values))}" for knob, values in sorted(when.items())]
    return f", where {' and '.join(said)}" if said else ""


def written(value: Value) -> str:
    """Write a value as a sweep file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def in_turn(space: Space) -> list[str]:
    """Return the names of knobs in the order in which they are asked for: by name, but behind those they hang on.

    Raises ValueError for a condition on what is no knob with choices, and for conditions that go round in a circle.
    """
    for name, knob in space.items():
        for other in knob.when:
            if not isinstance(space.get(other), ChoiceSpec):
                message = f"{name} hangs on {other}, which is no knob with choices"
                raise ValueError(message)  # noqa: TRY004  a validator's error
    sorter = TopologicalSorter({name: knob.when for name, knob in space.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        message = f"conditions go round in a circle: {', '.join(error.args[1])}"
        raise ValueError(message) from None
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return order


def is_asked(knob: Knob, values: Mapping[str, Value]) -> bool:
    """Tell whether a point is asked for this knob, given its values of the knobs before."""
    return all(other in values and values[other] in allowed for other, allowed in knob.when.items())
