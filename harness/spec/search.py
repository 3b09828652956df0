"""How a sweep searches."""

from typing import Annotated, ClassVar, Literal, Self

from annotated_types import Interval
from pydantic import Field, model_validator

from harness.spec.base import Spec, unset

__all__ = ["BudgetSpec", "GuardSpec", "Minimised", "PruneSpec", "RangeSpec", "Sampler", "SearchSpec"]

Sampler = Literal["tpe", "random", "qmc", "gp", "nsga2"]
"""How the points of a search are chosen; see `harness.search`."""

Minimised = Literal["contamination", "cost"]
"""What a search may lower while it raises the dev metric; see `harness.objectives`."""


class RangeSpec(Spec):
    """Bounds of one searched parameter, both included; unset bounds come from its annotation."""

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False


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
    """Give a point up that is worse on dev than the best so far; see `harness.pruning`.

    `p_threshold` is that of a one-sided Wilcoxon test, `block` the number of queries whose
    mean is one observation.
    """

    expected: ClassVar[str] = "name, p_threshold and block, or wilcoxon"
    name: Literal["wilcoxon"] = "wilcoxon"
    p_threshold: Annotated[float, Interval(gt=0.0, lt=0.5)] = 0.1
    block: Annotated[int, Interval(ge=1, le=10_000)] = 1


class SearchSpec(Spec):
    """A search over parameters of one arm, by Optuna, on the dev split only.

    `space` maps a dotted parameter (`miner.share`, `training.learning_rate`) to its range.
    With `guard` half of the dev queries answer only where they contradict the other half;
    `minimise` is a second objective, `budget` ends it before `trials`, `prune` gives points
    up early. All four are absent by default, and then no part of any digest.
    """

    arm: str
    trials: Annotated[int, Interval(ge=1, le=10_000)]
    space: dict[str, RangeSpec]
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
