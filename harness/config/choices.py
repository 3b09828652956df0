"""The choices of a search: strategies for one place of the arm, or values of one parameter."""

from collections.abc import Callable, Iterator, Sequence

from pydantic import JsonValue

from harness.config.components import read_component
from harness.config.findings import Findings, Setting
from harness.config.knobs import KINDS, strategies
from harness.config.training import NEUTRAL
from harness.mistakes import KeyPath, shown, wrong_value
from harness.parameters import Parameter
from harness.registry import REGISTRIES
from harness.spec import ArmSpec, Choice, ChoiceSpec

__all__ = ["read_strategies", "read_values"]

_FEWEST = 2


def read_strategies(
    place: str, given: Setting | None, path: KeyPath, arm: ArmSpec, findings: Findings
) -> ChoiceSpec | None:
    """Check the strategies among which a knob chooses, `none` among them where the place may stay empty.

    A miner has as many negatives as that of the arm unless it says otherwise; every other
    parameter that is not given has its default. None if anything is wrong.
    """
    own = strategies(arm)[place]
    inherited = {}
    if place == "miner" and own is not None and "k" in own.params:
        inherited["k"] = Setting(own.params["k"], path)
    neutral = NEUTRAL.get(place.rpartition(".")[2], ())

    def choices(item: Setting) -> Iterator[Choice]:
        if isinstance(item.value, str) and item.value in neutral:
            yield None
            return
        component = read_component(KINDS[place], item, findings, inherited)
        if component is not None:
            yield component

    return _read(given, path, f"a {REGISTRIES[KINDS[place]].kind}", choices, findings)


def read_values(
    found: Sequence[Parameter], given: Setting | None, path: KeyPath, findings: Findings
) -> ChoiceSpec | None:
    """Check the values among which a knob chooses; None if anything is wrong.

    `found` is the parameter, once for each strategy that may stand there. Where no choices
    are given, they are the words of its annotation.
    """
    own = [choice for choice in found[0].listed if all(parameter.allows(choice) for parameter in found)]
    if given is None and len(own) >= _FEWEST:
        return _specified(own)

    def choices(item: Setting) -> Iterator[Choice]:
        for parameter in found:
            if not parameter.allows(item.value):
                findings.add(item.path, wrong_value(parameter.shapes, item.value))
                return
        value = item.value
        assert not isinstance(value, list | dict)  # noqa: S101  no parameter that a search sets allows one
        whole = isinstance(value, int) and not isinstance(value, bool)
        yield float(value or 0) if whole and found[0].floats else value

    return _read(given, path, found[0].expected, choices, findings)


def _read(
    given: Setting | None,
    path: KeyPath,
    each: str,
    choices: Callable[[Setting], Iterator[Choice]],
    findings: Findings,
) -> ChoiceSpec | None:
    if given is None:
        findings.add((*path, "choices"), f"is required: a list of two or more, each {each}")
        return None
    if not isinstance(given.value, list) or len(given.value) < _FEWEST:
        findings.add(given.path, f"must be a list of two or more, each {each}, got {_got(given.value)}")
        return None
    items = [Setting(item, (*given.path, place)) for place, item in enumerate(given.value)]
    read = [(item.path, choice) for item in items for choice in choices(item)]
    found = _specified([choice for _, choice in read])
    for place, (where, _) in enumerate(read):
        if found.labels[place] in found.labels[:place]:
            findings.add(where, f"is listed twice: {found.labels[place]}")
    return found if len(found.options) == len(items) else None


def _specified(choices: Sequence[JsonValue | Choice]) -> ChoiceSpec:
    return ChoiceSpec.model_validate({"choices": tuple(choices)})


def _got(value: JsonValue) -> str:
    return f"a list of {len(value)}" if isinstance(value, list) else shown(value)
