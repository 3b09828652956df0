"""The only door to the sentence-transformers trainer."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.errors import NumericError
from harness.losses.base import Loss
from harness.mining.base import PADDING
from harness.seeding import derive_seed
from harness.spec import TrainingSpec

if TYPE_CHECKING:
    import datasets
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import TrainerCallback

__all__ = ["TrainingData", "steps_of", "train"]

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]

_PER_EPOCH = 3
"""Dimensions of negatives that differ from epoch to epoch."""


@dataclass(frozen=True)
class TrainingData:
    """The pairs to train on and their negatives.

    `query`, `positive` (n,) and `negative` (n, k) index `query_texts` and
    `document_texts`; PADDING in `negative` is masked out of the loss. k may be 0: then
    the only negatives are those of the batch. With a shape of (epochs, n, k) every
    epoch has negatives of its own. `weight` (n, k) says how much each negative counts
    for its own query, by default 1. `pace` is how many pairs set the number of steps, by
    default those that there are: pairs added or dropped then change no budget.
    """

    query_texts: Sequence[str]
    document_texts: Sequence[str]
    query: IntArray
    positive: IntArray
    negative: IntArray
    weight: FloatArray | None = None
    pace: int | None = None


class _Negatives:
    """The negatives of the epoch that is under way, of all epochs if they are the same."""

    def __init__(self, data: TrainingData) -> None:
        self._texts = data.document_texts
        self._epochs = data.negative if data.negative.ndim == _PER_EPOCH else data.negative[None]
        self._epoch = -1
        self.redrawn = len(self._epochs) > 1

    @property
    def now(self) -> IntArray:
        """The negatives of this epoch. Shape (n, k)."""
        now: IntArray = self._epochs[min(max(self._epoch, 0), len(self._epochs) - 1)]
        return now

    def next_epoch(self) -> None:
        """Go on to the next epoch."""
        self._epoch += 1

    def columns(self, rows: Sequence[int]) -> dict[str, list[str]]:
        """Return the texts of some rows' negatives by column, empty for padding."""
        chosen = self.now[list(rows)].T
        return {
            f"negative_{place}": ["" if index == PADDING else self._texts[index] for index in column]
            for place, column in enumerate(chosen)
        }


def steps_of(pairs: int, training: TrainingSpec) -> int:
    """Return the number of optimiser steps that `pairs` pairs take."""
    return ceil(pairs / training.batch_size) * training.epochs


def train(
    model: "SentenceTransformer", data: TrainingData, training: TrainingSpec, loss: Loss, seed: int
) -> list[float]:
    """Fine-tune `model` in place and return the loss of every step.

    The order of batches depends on `seed` and the number of pairs alone, so that arms
    with the same pairs see them in the same order. Raises NumericError as soon as a
    loss is NaN or infinite.
    """
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    derived = derive_seed(seed, "training")
    negatives = _Negatives(data)
    with tempfile.TemporaryDirectory(prefix="winnow-trainer-") as scratch:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch,
            max_steps=steps_of(len(data.query) if data.pace is None else data.pace, training),
            per_device_train_batch_size=training.batch_size,
            learning_rate=training.learning_rate,
            warmup_steps=training.warmup_share,
            lr_scheduler_type="linear",
            seed=derived,
            data_seed=derived,
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=model.device.type == "cpu",
            bf16=model.device.type == "cuda",
        )
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=_dataset(data, negatives),
            loss=_loss_module(model, loss, negatives, data.weight),
            callbacks=[_epoch_counter(negatives)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        trainer.train()
        history = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    if len(history) != arguments.max_steps:
        message = f"the trainer made {len(history)} steps instead of {arguments.max_steps}"
        raise NumericError(message)
    return history


def _epoch_counter(negatives: _Negatives) -> "TrainerCallback":
    from transformers import TrainerCallback

    class Counter(TrainerCallback):
        def on_epoch_begin(self, *_: object, **__: object) -> None:
            negatives.next_epoch()

    return Counter()


def _dataset(data: TrainingData, negatives: _Negatives) -> "datasets.Dataset":
    """Lay the pairs out in the columns that the trainer reads; `label` is the row."""
    import datasets

    rows = list(range(len(data.query)))
    columns = {
        "anchor": [data.query_texts[index] for index in data.query],
        "positive": [data.document_texts[index] for index in data.positive],
        **negatives.columns(rows),
    }
    dataset = datasets.Dataset.from_dict({**columns, "label": rows})
    if negatives.redrawn:
        dataset.set_transform(lambda batch: {**batch, **negatives.columns(batch["label"])})
    return dataset


def _loss_module(
    model: "SentenceTransformer", loss: Loss, negatives: _Negatives, weight: FloatArray | None
) -> "torch.nn.Module":
    """Wrap a loss for the trainer: embeds the columns, masks the padding, weighs the negatives."""
    import torch

    class Contrast(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: "Iterable[dict[str, torch.Tensor]]", labels: "torch.Tensor") -> "torch.Tensor":
            query, *documents = (
                torch.nn.functional.normalize(self.model(column)["sentence_embedding"].float(), dim=1)
                for column in features
            )
            similarity = query @ torch.cat(documents).T
            rows = labels.cpu().numpy()
            present = torch.from_numpy(np.not_equal(negatives.now[rows], PADDING)).to(similarity.device)
            target = torch.arange(len(query), device=similarity.device)
            allowed = torch.cat([torch.ones_like(target, dtype=torch.bool), present.T.reshape(-1)])
            given = {} if weight is None else {"weight": _weights(similarity, torch.from_numpy(weight[rows]))}
            value = loss(similarity, target, allowed.expand_as(similarity), **given).mean()
            if not torch.isfinite(value):
                message = f"the training loss is {value.item()}"
                raise NumericError(message)
            return value

    return Contrast().to(model.device)


def _weights(similarity: "torch.Tensor", own: "torch.Tensor") -> "torch.Tensor":
    """Spread the weights (b, k) of each query's own negatives over all columns of the batch. Shape (b, c).

    A negative that is doubtful for its own query counts in full for the others.
    """
    import torch

    b, k = own.shape
    row = torch.arange(b, device=similarity.device)[:, None]
    column = b * (1 + torch.arange(k, device=similarity.device)) + row
    weight = torch.ones_like(similarity)
    weight[row, column] = own.to(weight)
    return weight
