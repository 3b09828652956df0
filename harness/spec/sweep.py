"""Sweeps, and the plans that are made of them."""

import re
from typing import Annotated, Literal

from annotated_types import Interval, MinLen
from pydantic import Field, field_validator

from harness.spec.base import Component, MetricName, Spec
from harness.spec.run import ArmSpec, FurtherSets, OwnDocument, empty
from harness.spec.search import SearchSpec

__all__ = ["Amendment", "Comparison", "PlannedRun", "SplitRoles", "SweepPlan", "SweepSpec"]

Sentences = Annotated[tuple[Annotated[str, MinLen(1)], ...], Field(exclude_if=empty)]
"""Sentences about a sweep; where there are none, no part of any digest."""


class SweepSpec(Spec):
    """Everything a sweep file says.

    `baseline` names the arm that each of `comparisons` is compared with; without
    `comparisons` every other arm is. `metric` on the test split decides the headline.
    Every run is evaluated on the datasets of `evaluate` too. `exclusions` say beforehand
    what will be left out of the analysis, and on what grounds.
    """

    name: str
    question: str
    datasets: Annotated[tuple[Component, ...], MinLen(1)]
    arms: Annotated[tuple[ArmSpec, ...], MinLen(1)]
    seeds: Annotated[tuple[Annotated[int, Interval(ge=0, lt=2**31)], ...], MinLen(1)] = (0, 1, 2)
    metric: MetricName = "ndcg_at_10"
    baseline: str | None = None
    comparisons: tuple[str, ...] | None = None
    equal_queries: bool = True
    search: SearchSpec | None = None
    evaluate: FurtherSets = ()
    drop_own: OwnDocument = "auto"
    exclusions: Sentences = ()

    @field_validator("name")
    @classmethod
    def _name_is_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            message = "must be 1 to 64 letters, digits, '.', '_' or '-', and start with a letter or digit"
            raise ValueError(message)
        return name

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            message = f"seeds must differ, got {list(seeds)}"
            raise ValueError(message)
        return seeds


class Comparison(Spec):
    """One comparison planned before the first run: `arm` minus `baseline` on `dataset`."""

    arm: str
    baseline: str
    dataset: str


class PlannedRun(Spec):
    """Where a run stands in its sweep; `fingerprint` finds its record."""

    fingerprint: str
    arm: str
    dataset: str
    seed: int


class Amendment(Spec):
    """That a plan gave way: its hash, how many of its runs had finished by then, and the changes in words."""

    hash: str
    finished: int
    changes: tuple[str, ...]


class SplitRoles(Spec):
    """On which split a search tunes, and which one the comparisons judge."""

    tune: Literal["dev"] = "dev"
    judge: Literal["test"] = "test"


class SweepPlan(Spec):
    """What `plan.json` holds: fixed before the first run, the index of the runs afterwards.

    `splits` say what is tuned and judged on, `family` how the planned comparisons are
    corrected, taken together: both are the same for every sweep. `hash` is the digest of
    all that was chosen; `amends` lists the hashes of earlier plans of the same sweep,
    oldest first, and `amendments` what followed each, as far as it was kept.
    """

    name: str
    question: str
    metric: MetricName
    seeds: tuple[int, ...]
    equal_queries: bool
    arms: tuple[ArmSpec, ...]
    datasets: tuple[Component, ...]
    comparisons: tuple[Comparison, ...]
    runs: tuple[PlannedRun, ...]
    search: SearchSpec | None = None
    evaluate: FurtherSets = ()
    drop_own: OwnDocument = "auto"
    exclusions: Sentences = ()
    splits: SplitRoles = SplitRoles()
    family: Literal["holm"] = "holm"
    hash: str = ""
    amends: tuple[str, ...] = ()
    amendments: Annotated[tuple[Amendment, ...], Field(exclude_if=empty)] = ()
