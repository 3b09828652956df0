"""How a sweep searches."""

from typing import Annotated, ClassVar, Literal, Self

from annotated_types import Interval
from pydantic import Field, model_validator

from harness.spec.base import Spec, unset
from harness.spec.space import Knob, in_turn

__all__ = ["BudgetSpec", "GuardSpec", "Minimised", "PruneSpec", "Sampler", "SearchSpec", "conditions_refused"]

Sampler = Literal["tpe", "random", "qmc", "gp", "nsga2"]
"""How the points of a search are chosen; see `harness.search.points`."""

Minimised = Literal["contamination", "cost"]
"""What a search may lower while it raises the dev metric; see `harness.search.objectives`."""


class GuardSpec(Spec):
    """A guard in front of the dev split of a search, see `harness.stats.Thresholdout`; in units of the metric."""

    expected: ClassVar[str] = "threshold, scale and budget"
    threshold: Annotated[float, Interval(ge=0.0, le=1.0)]
    scale: Annotated[float, Interval(ge=0.0, le=1.0)]
    budget: Annotated[int, Interval(ge=1, le=10_000)]


class BudgetSpec(Spec):
    """What the points of a search may cost together; at least one limit is set.

    `runs` counts runs, `hours` wall-clock hours, `device_hours` the hours of all runs added up.
    """

    expected: ClassVar[str] = "runs, hours and device_hours"
    runs: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None
    hours: Annotated[float, Interval(gt=0.0, le=100_000.0)] | None = None
    device_hours: Annotated[float, Interval(gt=0.0, le=1_000_000.0)] | None = None

    @model_validator(mode="after")
    def _some_limit_is_set(self) -> Self:
        if self.runs is None and self.hours is None and self.device_hours is None:
            message = "it needs runs, hours or device_hours"
            raise ValueError(message)
        return self


class PruneSpec(Spec):
    """Give a point up that is worse on dev than the best so far; see `harness.search.pruning`.

    `p_threshold` is that of a one-sided Wilcoxon test, `block` the number of queries whose
    mean is one observation.
    """

    expected: ClassVar[str] = "name, p_threshold and block, or wilcoxon"
    name: Literal["wilcoxon"] = "wilcoxon"
    p_threshold: Annotated[float, Interval(gt=0.0, lt=0.5)] = 0.1
    block: Annotated[int, Interval(ge=1, le=10_000)] = 1


_FOLLOW_CONDITIONS: tuple[Sampler, ...] = ("tpe", "random")


def conditions_refused(sampler: Sampler) -> str:
    """Say why a sampler takes no conditions; empty if it does.

    Those of Optuna that model the space as a whole leave out whatever is not asked for at
    every point, and draw it at random without a word.
    """
    if sampler in _FOLLOW_CONDITIONS:
        return ""
    return f"must be {' or '.join(_FOLLOW_CONDITIONS)} where a knob has a condition, got {sampler!r}"


class SearchSpec(Spec):
    """A search over parameters of one arm, by Optuna, on the dev split only.

    `space` maps a dotted part of the arm (`miner`, `miner.share`, `training.learning_rate`) to its range or choices.
    With `guard` half of the dev queries answer only where they contradict the other half;
    `minimise` is a second objective, `budget` ends it before `trials`, `prune` gives points
    up early. All four are absent by default, and then no part of any digest.
    """

    arm: str
    trials: Annotated[int, Interval(ge=1, le=10_000)]
    space: dict[str, Knob]
    sampler: Sampler = "tpe"
    seed: Annotated[int, Interval(ge=0, lt=2**31)] = 0
    guard: Annotated[GuardSpec | None, Field(exclude_if=unset)] = None
    minimise: Annotated[Minimised | None, Field(exclude_if=unset)] = None
    budget: Annotated[BudgetSpec | None, Field(exclude_if=unset)] = None
    prune: Annotated[PruneSpec | None, Field(exclude_if=unset)] = None

    @model_validator(mode="after")
    def _points_are_given_up_by_one_open_objective(self) -> Self:
        for other in ("guard", "minimise"):
            if self.prune is not None and getattr(self, other) is not None:
                message = f"prune and {other} exclude each other"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _conditions_can_be_followed(self) -> Self:
        in_turn(self.space)
        refused = conditions_refused(self.sampler)
        if refused and any(knob.when for knob in self.space.values()):
            message = f"sampler {refused}"
            raise ValueError(message)
        return self
