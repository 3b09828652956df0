"""The only door to Optuna: points of a search space, asked for one after another."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from pydantic import JsonValue

from harness.errors import ConfigError
from harness.registry import BASES, LOSSES, MINERS, TEACHERS
from harness.spec import ArmSpec, SearchSpec

if TYPE_CHECKING:
    import optuna

__all__ = ["Search", "with_values"]

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


def with_values(arm: ArmSpec, values: Mapping[str, float | int]) -> ArmSpec:
    """Return the arm with dotted parameters set: `miner.share`, `training.learning_rate`, `loss.scale`, `depth`.

    Raises ConfigError if there is no such parameter or a value is out of its range.
    """
    content = arm.model_dump(mode="json")
    for key, value in values.items():
        place, name = _place(content, key)
        if name not in place:
            message = f"search.space: '{key}' is no parameter of arm '{arm.name}'"
            raise ConfigError(message)
        place[name] = value
    changed = ArmSpec.model_validate_json(json.dumps(content))
    _check(changed)
    return changed


def _place(content: dict[str, JsonValue], key: str) -> tuple[dict[str, JsonValue], str]:
    """Return the mapping that holds the parameter called `key`, and its name there."""
    mining = cast("dict[str, JsonValue]", content.get("mining") or {})
    training = cast("dict[str, JsonValue]", content.get("training") or {})
    owners: dict[str, object] = {
        "miner": mining.get("miner"),
        "teacher": mining.get("teacher"),
        "base": content["base"],
        "loss": training.get("loss"),
    }
    owner, _, name = key.rpartition(".")
    if owner in owners:
        component = cast("dict[str, JsonValue]", owners[owner] or {"params": {}})
        return cast("dict[str, JsonValue]", component["params"]), name
    places = {"training": training, "": mining if name in mining else content}
    return places.get(owner, {}), name


def _check(arm: ArmSpec) -> None:
    """Have the registries validate every parameter again."""
    BASES.create(arm.base.name, arm.base.params)
    if arm.training is not None:
        LOSSES.create(arm.training.loss.name, arm.training.loss.params)
    if arm.mining is not None:
        MINERS.create(arm.mining.miner.name, arm.mining.miner.params)
        TEACHERS.create(arm.mining.teacher.name, arm.mining.teacher.params)
