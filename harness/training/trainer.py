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

__all__ = ["TrainingData", "steps_of", "train"]

IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True)
class TrainingData:
    """The pairs to train on and their negatives.

    `query`, `positive` (n,) and `negative` (n, k) index `query_texts` and
    `document_texts`; PADDING in `negative` is masked out of the loss. k may be 0: then
    the only negatives are those of the batch.
    """

    query_texts: Sequence[str]
    document_texts: Sequence[str]
    query: IntArray
    positive: IntArray
    negative: IntArray


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
    with tempfile.TemporaryDirectory(prefix="winnow-trainer-") as scratch:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch,
            max_steps=steps_of(len(data.query), training),
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
            train_dataset=_dataset(data),
            loss=_loss_module(model, loss, data.negative),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        trainer.train()
        history = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    if len(history) != arguments.max_steps:
        message = f"the trainer made {len(history)} steps instead of {arguments.max_steps}"
        raise NumericError(message)
    return history


def _dataset(data: TrainingData) -> "datasets.Dataset":
    """Lay the pairs out in the columns that the trainer reads; `label` is the row."""
    import datasets

    columns: dict[str, list[object]] = {
        "anchor": [data.query_texts[index] for index in data.query],
        "positive": [data.document_texts[index] for index in data.positive],
    }
    for place, column in enumerate(data.negative.T):
        columns[f"negative_{place}"] = ["" if index == PADDING else data.document_texts[index] for index in column]
    columns["label"] = list(range(len(data.query)))
    return datasets.Dataset.from_dict(columns)


def _loss_module(model: "SentenceTransformer", loss: Loss, negative: IntArray) -> "torch.nn.Module":
    """Wrap a loss for the trainer: embeds the columns and masks the padding."""
    import torch

    class Contrast(torch.nn.Module):
        present: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.register_buffer("present", torch.from_numpy(np.not_equal(negative, PADDING)), persistent=False)

        def forward(self, features: "Iterable[dict[str, torch.Tensor]]", labels: "torch.Tensor") -> "torch.Tensor":
            query, *documents = (
                torch.nn.functional.normalize(self.model(column)["sentence_embedding"].float(), dim=1)
                for column in features
            )
            similarity = query @ torch.cat(documents).T
            positives = torch.ones(len(query), dtype=torch.bool, device=similarity.device)
            present = torch.cat([positives, self.present[labels].T.reshape(-1)])
            target = torch.arange(len(query), device=similarity.device)
            value = loss(similarity, target, present.expand_as(similarity)).mean()
            if not torch.isfinite(value):
                message = f"the training loss is {value.item()}"
                raise NumericError(message)
            return value

    return Contrast().to(model.device)
