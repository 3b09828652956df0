"""The only door to the sentence-transformers trainer."""

import tempfile
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from harness.errors import NumericError
from harness.losses.base import Loss
from harness.measures import BatchingRecord
from harness.seeding import derive_seed
from harness.spec import TrainingSpec
from harness.training.data import Feed, TrainingData

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator
    from transformers import TrainerCallback

__all__ = ["Trained", "steps_of", "train"]


@dataclass(frozen=True)
class Trained:
    """What a training reports; `losses` holds the loss of every step, `batching` what choosing batches did."""

    losses: tuple[float, ...]
    batching: BatchingRecord | None = None


def steps_of(pairs: int, training: TrainingSpec) -> int:
    """Return the number of optimiser steps that `pairs` pairs take."""
    return ceil(pairs / training.batch_size) * training.epochs


def train(model: "SentenceTransformer", data: TrainingData, training: TrainingSpec, loss: Loss, seed: int) -> Trained:
    """Fine-tune `model` in place.

    Unless `training` names a batching, the order of batches depends on `seed` and the
    number of pairs alone, so that arms with the same pairs see them in the same order. Raises NumericError as soon as a
    loss is NaN or infinite.
    """
    import datasets
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    from harness.training.contrast import Contrast
    from harness.training.sampler import Batches

    derived = derive_seed(seed, "training")
    feed = Feed(data)
    batches = None if training.batching is None else Batches(training, data, model, seed)
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
            batch_sampler="batch_sampler" if batches is None else batches.sampler,
            use_cpu=model.device.type == "cpu",
            bf16=model.device.type == "cuda",
        )
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=datasets.Dataset.from_dict({"label": list(range(len(data.query)))}),
            data_collator=_collator(model, feed),
            loss=Contrast(model, loss, data).to(model.device),
            callbacks=[_epoch_counter(feed)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        trainer.train()
        history = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    if len(history) != arguments.max_steps:
        message = f"the trainer made {len(history)} steps instead of {arguments.max_steps}"
        raise NumericError(message)
    return Trained(losses=tuple(history), batching=None if batches is None else batches.record)


def _collator(model: "SentenceTransformer", feed: Feed) -> "SentenceTransformerDataCollator":
    """Return the trainer's collator: it is given numbers of pairs and looks the rest up."""
    from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator

    class Collator(SentenceTransformerDataCollator):
        def __call__(self, features: list[dict[str, int]]) -> dict[str, object]:
            batch: dict[str, object] = super().__call__(feed.rows([each["label"] for each in features]))
            return batch

    return Collator(preprocess_fn=model.preprocess)


def _epoch_counter(feed: Feed) -> "TrainerCallback":
    from transformers import TrainerCallback

    class Counter(TrainerCallback):
        def on_epoch_begin(self, *_: object, **__: object) -> None:
            feed.next_epoch()

    return Counter()
