"""The only door to Optuna: points of a search space, asked for one after another."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.config import with_values
from harness.errors import ConfigError
from harness.fingerprint import digest
from harness.record import Point
from harness.seeding import derive_seed
from harness.spec import ArmSpec, Sampler, SearchSpec

if TYPE_CHECKING:
    import optuna

__all__ = ["Search"]

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
        self._study = optuna.create_study(direction="maximize", sampler=_sampler(spec, spec.seed))
        self._asked: list[optuna.trial.Trial] = []
        self.origin = digest([spec, template], 16) if spec.sampler in _INEXACT else ""
        self._kept = {point.number: point.values for point in kept if self.origin and point.origin == self.origin}

    def ask(self) -> tuple[int, dict[str, float | int], ArmSpec]:
        """Return the number of the next point, its values, and the arm that it makes."""
        number = len(self._asked)
        if self.origin:  # a state that what is kept need not advance
            self._study.sampler = _sampler(self._spec, derive_seed(self._spec.seed, "point", str(number)))
        if number in self._kept:
            self._study.enqueue_trial(self._kept[number])
        trial = self._study.ask()
        self._asked.append(trial)
        values: dict[str, float | int] = {}
        for key, bounds in sorted(self._spec.space.items()):
            low, high = bounds.low, bounds.high
            if low is None or high is None:
                message = f"search.space.{key} needs low and high"
                raise ConfigError(message)
            if isinstance(low, int) and isinstance(high, int):
                values[key] = trial.suggest_int(key, low, high, log=bounds.log)
            else:
                values[key] = trial.suggest_float(key, float(low), float(high), log=bounds.log)
        return trial.number, values, _named(with_values(self._template, values), trial.number, values)

    def tell(self, number: int, value: float | None) -> None:
        """Report the objective of a point; None means that it failed."""
        import optuna

        trial = self._asked[number]
        if value is None:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, value)


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


def _named(arm: ArmSpec, number: int, values: Mapping[str, float | int]) -> ArmSpec:
    shown = ", ".join(f"{key.rpartition('.')[2]}={value:.4g}" for key, value in sorted(values.items()))
    return arm.model_copy(update={"name": f"{arm.name} #{number} ({shown})"})
