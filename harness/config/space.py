"""The space of a search as a sweep file gives it: every range and choice filled in from the arm's annotations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from pydantic import JsonValue

from harness.config.choices import read_strategies, read_values
from harness.config.findings import Findings, Setting, placed
from harness.config.knobs import KINDS, parameters_of, settable, strategies
from harness.config.ranges import read_range
from harness.mistakes import KeyPath, shown, suggestion
from harness.parameters import Parameter
from harness.spec import ArmSpec, ChoiceSpec, Component, Knob, RangeSpec, Value, written

__all__ = ["GivenKnob", "SpaceReader", "given_space"]

_RANGE = ("low", "high", "log")
_PATH: KeyPath = ("search", "space")


@dataclass(frozen=True)
class GivenKnob:
    """One knob as it stands in the file; `choices` is None where there are none, `bounds` where they are wrong."""

    bounds: RangeSpec | None
    ends: tuple[str, ...]
    choices: Setting | None
    when: Mapping[str, JsonValue]


def given_space(value: JsonValue, findings: Findings) -> dict[str, GivenKnob]:
    """Check the form of a space; what its entries may say depends on the arm."""
    if not value:
        findings.add(_PATH, "is required: a mapping of at least one parameter, such as miner.share, to its range")
        return {}
    space = findings.mapping(value, _PATH, "parameters to ranges")
    return {name: _given_knob(item, (*_PATH, name), findings) for name, item in space.items()}


def _given_knob(item: JsonValue, path: KeyPath, findings: Findings) -> GivenKnob:
    given = {} if item == "auto" else findings.mapping(item, path, "low, high and log, or choices, or auto")
    findings.known(given, (*_RANGE, "choices", "when"), path)
    ends = tuple(key for key in _RANGE if key in given)
    if "choices" in given:
        for key in ends:
            findings.add((*path, key), "has no effect beside choices")
    when = findings.mapping(given.get("when", {}), (*path, "when"), "knobs to the values at which this one is asked")
    wrong = not isinstance(item, dict) and item != "auto"
    return GivenKnob(
        bounds=None if wrong else findings.build(RangeSpec, placed({key: given[key] for key in ends}, path), path),
        ends=ends,
        choices=Setting(given["choices"], (*path, "choices")) if "choices" in given else None,
        when=when,
    )


Allowed = dict[str, set[Value]]
"""Of the knobs that another hangs on, those values at which it may be asked."""


@dataclass
class SpaceReader:
    """Reads one knob after another, those first that others hang on; `knobs` holds those that are right."""

    arm: ArmSpec
    findings: Findings
    knobs: dict[str, Knob] = field(default_factory=dict)
    _allowed: dict[str, Allowed] = field(default_factory=dict)
    _wrong: set[str] = field(default_factory=set)

    def read(self, given: Mapping[str, GivenKnob]) -> dict[str, Knob]:
        """Return the knobs by name, in the order of the file."""
        for name in self._order(given):
            when = {other: self._values(name, other, value, given) for other, value in sorted(given[name].when.items())}
            condition = {other: values for other, values in when.items() if values}
            known = len(condition) == len(when)
            self._allowed[name] = self._reach(name, condition)
            # a parameter of strategies is told nothing where those that it may be of are not known
            owner = name.rpartition(".")[0]
            told = owner not in self._wrong and (known or owner not in self.knobs)
            knob = self._knob(name, given[name]) if told else None
            if knob is not None and known:
                self.knobs[name] = knob.model_copy(update={"when": condition})
            else:
                self._wrong.add(name)
        return {name: self.knobs[name] for name in given if name in self.knobs}

    def _order(self, given: Mapping[str, GivenKnob]) -> list[str]:
        """Return the knobs, each behind those of its condition and the one that chooses its strategy."""
        before = {name: sorted({*knob.when, name.rpartition(".")[0]} & set(given)) for name, knob in given.items()}
        while True:
            try:
                return list(TopologicalSorter(before).static_order())
            except CycleError as error:
                circle = [name for name in given if name in error.args[1]]
                where = next(name for name in circle if given[name].when)
                message = f"goes round in a circle: {', '.join(circle)} hang on each other"
                self.findings.add((*_PATH, where, "when"), message)
                before = {name: [] if name in circle else others for name, others in before.items()}

    def _values(
        self, name: str, other: str, value: JsonValue, given: Mapping[str, GivenKnob]
    ) -> tuple[Value, ...] | None:
        """Return the labels of `other` at which a knob is asked; None if anything is wrong."""
        path: KeyPath = (*_PATH, name, "when", other)
        if other not in given:
            self.findings.add(path, f"is no knob of the space{suggestion(other, given)}")
            return None
        if other not in self.knobs:
            return None
        knob = self.knobs[other]
        if not isinstance(knob, ChoiceSpec):
            self.findings.add(path, "must be a knob with choices; this one has a range")
            return None
        asked = value if isinstance(value, list) else [value]
        found = [_labels(knob, item) for item in asked]
        for item, labels in zip(asked, found, strict=True):
            if not labels:
                self.findings.add(path, f"must be among the choices of {other}, got {shown(item)}{_hint(knob, item)}")
        if not asked:
            self.findings.add(path, "must be one or more of its choices, got an empty list")
        return tuple(dict.fromkeys(label for labels in found for label in labels)) if asked and all(found) else None

    def _reach(self, name: str, condition: Mapping[str, Sequence[Value]]) -> Allowed:
        """Return what the knobs that `name` hangs on, also through others, may be where it is asked."""
        allowed: Allowed = {}
        for part in ({other: set(values) for other, values in condition.items()}, *map(self._allowed.get, condition)):
            for other, values in (part or {}).items():
                allowed[other] = allowed.get(other, values) & values
        never = [other for other, values in allowed.items() if not values]
        if never:
            self.findings.add((*_PATH, name, "when"), f"can never hold: no value of {never[0]} meets all of it")
        return allowed

    def _knob(self, name: str, given: GivenKnob) -> Knob | None:
        path: KeyPath = (*_PATH, name)
        if name in strategies(self.arm):
            for end in given.ends:
                self.findings.add((*path, end), f"has no effect: {name} is searched by its choices")
            return read_strategies(name, given.choices, path, self.arm, self.findings)
        found = self._parameters(name)
        if not found or given.bounds is None:
            return None
        if given.choices is not None or not all(parameter.numeric for parameter in found):
            for end in () if given.choices is not None else given.ends:
                self.findings.add((*path, end), f"has no effect: the parameter is {found[0].expected}")
            return read_values(found, given.choices, path, self.findings)
        return read_range(given.bounds, [shape for one in found if (shape := one.numeric)], path, self.findings)

    def _parameters(self, name: str) -> list[Parameter]:
        """Return the parameter of that name, of every strategy that may stand there; none if one lacks it."""
        path: KeyPath = (*_PATH, name)
        owner = name.rpartition(".")[0]
        chooser = self.knobs.get(owner)
        if owner in KINDS and isinstance(chooser, ChoiceSpec):
            return self._of_strategies(name, owner, chooser)
        known = settable(self.arm)
        if name not in known:
            allowed = sorted({*known, *strategies(self.arm)})
            near = next((key for key in allowed if key.endswith(f".{name}")), name)
            self.findings.add(path, f"is no parameter of the arm that a search can set{suggestion(near, allowed)}")
        return [known[name]] if name in known else []

    def _of_strategies(self, name: str, owner: str, chooser: ChoiceSpec) -> list[Parameter]:
        reach = self._allowed[name].get(owner)
        options = {label: option for label, option in chooser.options.items() if reach is None or label in reach}
        if reach is None and chooser.when:
            options |= {"the arm as it stands": strategies(self.arm)[owner]}
        known = {label: _plain_parameters(owner, option) for label, option in options.items()}
        having = [label for label, found in known.items() if name in found]
        if len(having) == len(known):
            return [found[name] for found in known.values()]
        lacking = ", ".join(str(label) for label in known if label not in having)
        other = [label for label, option in chooser.options.items() if name in _plain_parameters(owner, option)]
        if other:
            message = f"is no parameter of {lacking}: it needs when: {{{owner}: [{', '.join(map(written, other))}]}}"
        else:
            everything = sorted(
                {key for option in chooser.options.values() for key in _plain_parameters(owner, option)}
            )
            message = f"is no parameter of {lacking}{suggestion(name, everything)}"
        self.findings.add((*_PATH, name), message)
        return []


def _plain_parameters(owner: str, option: Component | JsonValue) -> dict[str, Parameter]:
    found = parameters_of(owner, option if isinstance(option, Component) else None)
    return {name: parameter for name, parameter in found.items() if parameter.plain}


def _labels(knob: ChoiceSpec, value: JsonValue) -> list[Value]:
    """Return the labels that a condition's value means: its own, or all of the strategies of that name."""
    return [
        label
        for label, option in knob.options.items()
        if (label == value and isinstance(label, bool) == isinstance(value, bool))
        or (isinstance(option, Component) and option.name == value)
    ]


def _hint(knob: ChoiceSpec, value: JsonValue) -> str:
    return suggestion(str(value), map(written, knob.labels))
