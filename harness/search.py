"""The only door to Optuna: points of a search space, asked for one after another."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.config import with_values
from harness.errors import ConfigError
from harness.spec import ArmSpec, SearchSpec

if TYPE_CHECKING:
    import optuna

__all__ = ["Search"]

_STARTUP = 4
"""Points drawn at random before TPE has anything to learn from."""


class Search:
    """Asks a seeded sampler for points and tells it their values.

    Nothing is kept on disk: a sampler that is seeded alike and told the same values asks
    for the same points, so that an interrupted search is repeated from its finished runs.
    """

    def __init__(self, spec: SearchSpec, template: ArmSpec) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._spec = spec
        self._template = template
        self._study = optuna.create_study(direction="maximize", sampler=_sampler(spec))
        self._asked: list[optuna.trial.Trial] = []

    def ask(self) -> tuple[int, dict[str, float | int], ArmSpec]:
        """Return the number of the next point, its values, and the arm that it makes."""
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


def _sampler(spec: SearchSpec) -> "optuna.samplers.BaseSampler":
    import optuna

    if spec.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=spec.seed, n_startup_trials=_STARTUP)
    if spec.sampler == "random":
        return optuna.samplers.RandomSampler(seed=spec.seed)
    return optuna.samplers.QMCSampler(seed=spec.seed)


def _named(arm: ArmSpec, number: int, values: Mapping[str, float | int]) -> ArmSpec:
    shown = ", ".join(f"{key.rpartition('.')[2]}={value:.4g}" for key, value in sorted(values.items()))
    return arm.model_copy(update={"name": f"{arm.name} #{number} ({shown})"})
