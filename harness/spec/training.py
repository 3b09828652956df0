"""How a base is trained."""

from typing import Annotated, ClassVar

from annotated_types import Interval
from pydantic import Field

from harness.spec.base import Component, MetricName, Spec, unset

__all__ = ["EarlyStoppingSpec", "TrainingSpec"]


class EarlyStoppingSpec(Spec):
    """Stop when the dev metric has not risen for `patience` looks, `every` steps apart, and go back to its best."""

    expected: ClassVar[str] = "every, patience and metric"
    every: Annotated[int, Interval(ge=1, le=1_000_000)]
    patience: Annotated[int, Interval(ge=1, le=1000)] = 3
    metric: MetricName = "ndcg_at_10"


class TrainingSpec(Spec):
    """Settings of one training, the same for every arm unless an arm says otherwise.

    `batch_size` counts pairs; `learning_rate` is the peak of a linear schedule with
    warm-up over `warmup_share` of the steps. The rest is absent by default and then no
    part of any digest: `guides` are the teachers whose scores the loss looks up, by
    default the one that mines; `batching` says which pairs stand in one batch, by
    default chance; `refresh` whether negatives change during training, by default they
    do not; with `mask_known_positives` no document takes part as a negative of a query
    for which it is labelled. `micro_batch` bounds how many texts are embedded at once
    with gradients kept; the batch that the loss sees stays whole.
    """

    epochs: Annotated[int, Interval(ge=1, le=1000)] = 3
    batch_size: Annotated[int, Interval(ge=2, le=65536)] = 64
    learning_rate: Annotated[float, Interval(gt=0.0, le=1.0)] = 2e-3
    warmup_share: Annotated[float, Interval(ge=0.0, lt=1.0)] = 0.1
    loss: Component = Component(name="info_nce")
    guides: Annotated[tuple[Component, ...], Field(exclude_if=unset)] = ()
    batching: Annotated[Component | None, Field(exclude_if=unset)] = None
    refresh: Annotated[Component | None, Field(exclude_if=unset)] = None
    mask_known_positives: Annotated[bool, Field(exclude_if=unset)] = False
    early_stopping: Annotated[EarlyStoppingSpec | None, Field(exclude_if=unset)] = None
    micro_batch: Annotated[Annotated[int, Interval(ge=1, le=65536)] | None, Field(exclude_if=unset)] = None
