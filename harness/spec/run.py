"""Arms and their runs."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, Self

from annotated_types import Interval
from pydantic import Field, JsonValue, model_validator

from harness.fingerprint import digest
from harness.spec.base import Component, SafeName, Spec
from harness.spec.mining import MiningSpec
from harness.spec.training import TrainingSpec

__all__ = ["ArmSpec", "DropOwn", "FurtherSets", "OwnDocument", "RunSpec", "empty"]

SCHEMA = 1
"""Raised when a run with the same spec would no longer give the same numbers."""

DropOwn = Literal["auto", "always", "never"]
"""When a document that bears the query's own id is left out of its ranking; see `harness.evaluation.own_document`."""


class ArmSpec(Spec):
    """A recipe with its base and training settings.

    Without `training` the base is evaluated as it is; without `mining` the only
    negatives are those of the batch. `max_length`, in tokens, cuts every text that the
    base is given, in training and evaluation.
    """

    name: SafeName
    base: Component
    max_length: Annotated[int, Interval(ge=8, le=8192)] = 128
    mining: MiningSpec | None = None
    training: TrainingSpec | None = None

    @model_validator(mode="after")
    def _mined_negatives_are_trained_on(self) -> Self:
        if self.mining is not None and self.training is None:
            message = "an arm that is not trained has no use for a miner"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _a_refresh_goes_together_with_its_mining(self) -> Self:
        if self.training is None or self.training.refresh is None or self.mining is None:
            return self
        for part in ("redraw", "repair", "mix"):
            if getattr(self.mining, part):
                message = f"the refresh {self.training.refresh.name} and {part} exclude each other"
                raise ValueError(message)
        return self


def empty(value: object) -> bool:
    """Tell an empty tuple, as fields use it that are then no part of any digest."""
    return value == ()


def _usual(value: object) -> bool:
    return value == "auto"


FurtherSets = Annotated[tuple[Component, ...], Field(exclude_if=empty)]
"""Datasets that runs are evaluated on besides their own; where there are none, no part of any digest."""

OwnDocument = Annotated[DropOwn, Field(exclude_if=_usual)]
"""`auto` is no part of any digest."""


def _without_paths(value: JsonValue) -> JsonValue:
    """Drop every mapping entry called `path`, at any depth."""
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items() if key != "path"}
    if isinstance(value, list):
        return [_without_paths(item) for item in value]
    return value


class RunSpec(Spec):
    """One arm on one dataset with one seed; everything that its numbers depend on.

    `identities` holds the content digests of dataset, teacher and base.
    `equal_with` lists the minings of the other arms when pairs that any of them
    cannot serve are dropped from all (`on_shortage: drop` with `equal_queries`).
    `evaluate` are the datasets that it is evaluated on besides its own.
    """

    arm: ArmSpec
    dataset: Component
    seed: Annotated[int, Interval(ge=0, lt=2**31)]
    identities: dict[str, str]
    equal_with: tuple[MiningSpec, ...] = ()
    evaluate: FurtherSets = ()
    drop_own: OwnDocument = "auto"

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits over all of the content.

        The arm's name is no part of it, nor is any parameter called `path`: what lies
        there is in `identities`.
        """
        return digest([SCHEMA, self._content()], 16)

    def with_seeds(self, seeds: Iterable[int]) -> Iterator[tuple[str, "RunSpec"]]:
        """Yield this run with each of some seeds, and its fingerprint; what they share is digested from one dump."""
        content = self._content()
        for seed in seeds:
            yield digest([SCHEMA, content | {"seed": seed}], 16), self.model_copy(update={"seed": seed})

    def _content(self) -> dict[str, JsonValue]:
        content = self.model_dump(mode="json")
        del content["arm"]["name"]
        return {key: _without_paths(value) for key, value in content.items() if key != "path"}
