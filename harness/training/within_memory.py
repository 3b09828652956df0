"""Train once more with smaller micro-batches where the device's memory was too small."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harness.device_memory import release
from harness.errors import DeviceMemoryError
from harness.losses.base import Loss
from harness.ranks import ALONE, Ranks
from harness.spec import TrainingSpec
from harness.training.checkpoints import Checkpoints
from harness.training.data import TrainingData
from harness.training.trainer import Trained, micro_batch_of, train

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["Retry", "train_within_memory"]


@dataclass(frozen=True)
class Retry:
    """What became of a training that did not fit: steps made before, the micro-batch then, and the one after."""

    step: int
    micro_batch: int
    retried_with: int
    message: str


def train_within_memory(  # noqa: PLR0913  # what `train` takes, and where a fresh model comes from
    model: "SentenceTransformer",
    fresh: "Callable[[], SentenceTransformer]",
    data: TrainingData,
    *,
    training: TrainingSpec,
    loss: Loss,
    seed: int,
    checkpoints: Checkpoints | None = None,
    look: "Callable[[SentenceTransformer], Mapping[str, float]] | None" = None,
    ranks: Ranks = ALONE,
) -> "tuple[SentenceTransformer, Trained, Retry | None]":
    """Train `model`; if memory runs out, train a fresh one with half the micro-batch, once.

    The retry goes on from the newest checkpoint, else from the start; the batch that the
    loss sees stays whole. Raises DeviceMemoryError if that does not fit either, or if
    there is nothing to halve.
    """

    def trained(student: "SentenceTransformer", settings: TrainingSpec) -> Trained:
        looked = None if look is None else partial(look, student)
        return train(student, data, settings, loss, seed, checkpoints=checkpoints, look=looked, ranks=ranks)

    try:
        return model, trained(model, training), None
    except DeviceMemoryError as error:
        now = micro_batch_of(model, training, ranks)
        if now is None or now == 1:
            raise
        retry = Retry(step=error.step, micro_batch=now, retried_with=now // 2, message=str(error))
    model.to("cpu")  # the caller still holds it
    release()
    again = fresh()
    return again, trained(again, training.model_copy(update={"micro_batch": retry.retried_with})), retry
