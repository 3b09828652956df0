"""Points of a search space, one after another: asked of Optuna, to which this is the only door, or listed."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from harness.config import with_values
from harness.errors import ConfigError
from harness.fingerprint import digest
from harness.seeding import derive_seed
from harness.spec import (
    ArmSpec,
    Choice,
    ChoiceSpec,
    Knob,
    RangeSpec,
    Sampler,
    SearchSpec,
    Space,
    Value,
    Values,
    in_turn,
    is_asked,
    written,
)
from harness.study_file import Trial, TrialState
from harness.sweep_files import Point

if TYPE_CHECKING:
    import optuna

__all__ = ["Listed", "Search"]

_STARTUP = 4
"""Points drawn at random before TPE or a Gaussian process has anything to learn from."""

_LARGEST_GENERATION = 50


_INEXACT: frozenset[Sampler] = frozenset({"gp"})
"""Samplers whose arithmetic gives other last digits in another process."""


class Search:
    """Asks a seeded sampler for points and tells it their values.

    A sampler that is seeded alike and told the same values asks for the same points, so
    that an interrupted search is repeated from its finished runs. That holds for all but
    the Gaussian process, which floating-point arithmetic moves by a last digit, and every
    digit is part of a run's identity: its points carry the `origin` of their search, and
    those of `kept` that bear it stand in for what is asked.
    """

    def __init__(self, spec: SearchSpec, template: ArmSpec, kept: Sequence[Point] = ()) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)  # gp warns of a greenlet that it can do without
        self._spec = spec
        self._template = template
        self._study = optuna.create_study(
            directions=["maximize"] if spec.minimise is None else ["maximize", "minimize"],
            sampler=_sampler(spec, spec.seed),
        )
        self._asked: list[optuna.trial.Trial] = []
        self.origin = _origin(spec, template)
        self._kept = {point.number: point.values for point in kept if self.origin and point.origin == self.origin}

    def ask(self) -> tuple[int, Values, ArmSpec]:
        """Return the number of the next point, its values, and the arm that it makes."""
        number = len(self._asked)
        if self.origin:  # a state that what is kept need not advance
            self._study.sampler = _sampler(self._spec, derive_seed(self._spec.seed, "point", str(number)))
        if number in self._kept:
            self._study.enqueue_trial(self._kept[number])
        trial = self._study.ask()
        self._asked.append(trial)
        values: Values = {}
        for key in in_turn(self._spec.space):
            knob = self._spec.space[key]
            if is_asked(knob, values):
                values[key] = _suggested(trial, key, knob)
        values = dict(sorted(values.items()))
        return trial.number, values, _arm(self._spec.space, self._template, trial.number, values)

    def tell(self, place: int, values: Sequence[float] | None) -> None:
        """Report the objectives of the point that was asked for at `place`; None means that it failed."""
        import optuna

        if values is None:
            self._study.tell(self._asked[place], state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(self._asked[place], list(values))

    def give_up(self, place: int) -> None:
        """Report that a point was found to be worse than the best before all of its runs were carried out."""
        import optuna

        self._study.tell(self._asked[place], state=optuna.trial.TrialState.PRUNED)

    def trial(self, place: int) -> Trial:
        """Return what has been told of the point that was asked for at `place`, with the ranges it was drawn from."""
        import optuna

        frozen = self._study.get_trials(deepcopy=False)[place]
        state: TrialState = "complete" if frozen.state == optuna.trial.TrialState.COMPLETE else "fail"
        return Trial(
            state="pruned" if frozen.state == optuna.trial.TrialState.PRUNED else state,
            params=dict(frozen.params),
            distributions={
                name: optuna.distributions.distribution_to_json(each) for name, each in frozen.distributions.items()
            },
            values=tuple(frozen.values) if state == "complete" and frozen.values else (),
        )


class Listed:
    """Gives the points of a list, one after another, in the place of a search; what they score changes nothing."""

    def __init__(self, spec: SearchSpec, template: ArmSpec, points: Sequence[Point]) -> None:
        """Check the list; raise ConfigError with every point that is not of this search."""
        self.origin = _origin(spec, template)
        self._points = iter(points)
        wrong = [f"point {point.number} {why}" for point in points if (why := _misfit(point, spec, template))]
        if not points:
            wrong = ["there is no point in the list"]
        if wrong:
            raise ConfigError("\n".join(f"--points: {each}" for each in wrong))

    def ask(self) -> tuple[int, Values, ArmSpec]:
        """Return the number of the next point, its values, and the arm that it makes."""
        point = next(self._points)
        return point.number, point.values, point.arm

    def tell(self, place: int, values: Sequence[float] | None) -> None:
        """Take no notice."""

    def give_up(self, place: int) -> None:
        """Take no notice."""

    def trial(self, place: int) -> None:
        """Return nothing: no sampler has been asked."""


def _misfit(point: Point, spec: SearchSpec, template: ArmSpec) -> str:
    """Say why a point cannot be one of this search; empty if it can."""
    asked = {key for key, knob in spec.space.items() if is_asked(knob, point.values)}
    if set(point.values) != asked:
        here = f"it is asked for {', '.join(sorted(asked))}" if asked < set(spec.space) else _over(spec.space)
        return f"has values of {', '.join(sorted(point.values))}; {here}"
    for key, value in sorted(point.values.items()):
        if why := _excluded(key, value, spec.space[key]):
            return f"has {key} {value}, {why}"
    if _arm(spec.space, template, point.number, point.values) != point.arm:
        return f"is of another arm than the file's '{template.name}': some other setting has changed"
    return ""


def _over(space: Space) -> str:
    return f"the search is over {', '.join(sorted(space))}"


def _excluded(key: str, value: Value, knob: Knob) -> str:
    """Say why a value is none that a knob may have; empty if it is."""
    if isinstance(knob, ChoiceSpec):
        known = any(value == label and type(value) is type(label) for label in knob.labels)
        return "" if known else f"which is none of {', '.join(map(written, knob.labels))}"
    low, high = _ends(key, knob)
    if not isinstance(value, str | bool) and low <= value <= high:
        return ""
    return f"beyond [{low}, {high}]"


def _suggested(trial: "optuna.trial.Trial", key: str, knob: Knob) -> Value:
    """Ask for the value of one knob."""
    if isinstance(knob, ChoiceSpec):
        return cast("Value", trial.suggest_categorical(key, knob.labels))
    low, high = _ends(key, knob)
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(key, low, high, log=knob.log)
    return trial.suggest_float(key, float(low), float(high), log=knob.log)


def _ends(key: str, bounds: RangeSpec) -> tuple[float | int, float | int]:
    if bounds.low is None or bounds.high is None:
        message = f"search.space.{key} needs low and high"
        raise ConfigError(message)
    return bounds.low, bounds.high


def _origin(spec: SearchSpec, template: ArmSpec) -> str:
    """Return the digest of a search whose points cannot be asked for again to the last digit; else nothing."""
    if spec.sampler not in _INEXACT:
        return ""
    return digest([spec.model_dump(mode="json", exclude={"trials", "budget"}), template], 16)


def _sampler(spec: SearchSpec, seed: int) -> "optuna.samplers.BaseSampler":
    import optuna

    samplers: dict[Sampler, Callable[[], optuna.samplers.BaseSampler]] = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "qmc": lambda: optuna.samplers.QMCSampler(seed=seed),
        "gp": lambda: optuna.samplers.GPSampler(seed=seed, n_startup_trials=_STARTUP),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=_population(spec.trials)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # qmc's signature; the pin fixes it
        return samplers[spec.sampler]()


def _population(trials: int) -> int:
    """Return the size of a generation such that a search of few points has some five of them."""
    return min(_LARGEST_GENERATION, max(_STARTUP, trials // 5))


def _arm(space: Space, template: ArmSpec, number: int, values: Mapping[str, Value]) -> ArmSpec:
    """Return the arm that a point makes of the template; raise ConfigError where its values make none."""
    meant: dict[str, Choice] = {}
    for key, value in values.items():
        knob = space[key]
        if isinstance(knob, ChoiceSpec):
            meant[key] = knob.options[value]
        else:
            meant[key] = value
    said = ", ".join(f"{key.rpartition('.')[2]}={_plain(value)}" for key, value in sorted(values.items()))
    try:
        arm = with_values(template, meant)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        message = f"search.space allows a point that makes no arm ({said}): {reason}"
        raise ConfigError(message) from error
    return arm.model_copy(update={"name": f"{arm.name} #{number} ({said})"})


def _plain(value: Value) -> str:
    """Write a value for a name: numbers to four digits."""
    return written(value) if isinstance(value, str | bool) else f"{value:.4g}"
