"""The only door to the sentence-transformers trainer."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from harness.device_memory import device_memory
from harness.errors import DataError, NumericError
from harness.losses.base import Loss
from harness.measures import BatchingRecord, RefreshRecord
from harness.ranks import ALONE, Ranks
from harness.seeding import derive_seed
from harness.spec import TrainingSpec
from harness.training.checkpoints import Checkpoints
from harness.training.data import Feed, TrainingData
from harness.training.trace import Traced

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator

    from harness.training.course import Course
    from harness.training.resuming import Remembering, ResumableTrainer
    from harness.training.sampler import Batches
    from harness.training.stopping import EarlyStopping

__all__ = ["Trained", "micro_batch_of", "steps_of", "train"]


_REMEDY = "Set training.micro_batch below {}: the loss still sees the whole batch"
_REMEDY_WHOLE = "Lower training.batch_size below {}: this base cannot embed a batch in parts"


@dataclass(frozen=True)
class Trained:
    """What a training reports; `losses` holds the loss of every step.

    `refresh` says how its negatives changed, `batching` what choosing batches did. With
    early stopping, `looks` holds (step, dev metric) and `best_step` says whose weights
    the model has. `trace` has the scores of every pair.
    """

    losses: tuple[float, ...]
    trace: Traced | None = field(default=None, compare=False)
    refresh: RefreshRecord | None = None
    batching: BatchingRecord | None = None
    looks: tuple[tuple[int, float], ...] = ()
    best_step: int | None = None


def steps_of(pairs: int, training: TrainingSpec) -> int:
    """Return the number of optimiser steps that `pairs` pairs take, unless they are stopped early."""
    return ceil(pairs / training.batch_size) * training.epochs


def micro_batch_of(model: "SentenceTransformer", training: TrainingSpec, ranks: Ranks = ALONE) -> int | None:
    """Return how many texts of a column a process embeds at once, None if the base cannot embed them in parts."""
    from sentence_transformers.base.losses.gradcache import has_static_embedding_input

    if has_static_embedding_input(model):
        return None
    share = ceil(training.batch_size / ranks.count)
    return min(training.micro_batch or share, share)


def train(  # noqa: PLR0913  # what is trained, on what, how, and what goes on beside it
    model: "SentenceTransformer",
    data: TrainingData,
    training: TrainingSpec,
    loss: Loss,
    seed: int,
    *,
    checkpoints: Checkpoints | None = None,
    look: Callable[[], Mapping[str, float]] | None = None,
    ranks: Ranks = ALONE,
) -> Trained:
    """Fine-tune `model` in place, going on from the newest of `checkpoints` if there is one.

    Unless `training` names a batching, the order of batches depends on `seed` and the
    number of pairs alone, so that arms with the same pairs see them in the same order.
    `look` returns the dev metrics of the model as it is, for early stopping. With several
    `ranks` each embeds its share of every batch. Raises NumericError as soon as a loss is
    NaN or infinite, DeviceMemoryError if the device's memory is too small.
    """
    from harness.training.course import begin
    from harness.training.sampler import Batches

    micro_batch = micro_batch_of(model, training, ranks)
    course = begin(model, data, training, loss, micro_batch if training.micro_batch is not None else None)
    batches = None if training.batching is None else Batches(training, data, model, seed)
    stopping = _stopping(model, training, look)
    with tempfile.TemporaryDirectory(prefix="winnow-trainer-") as scratch, _shared(course, ranks):
        arguments = _arguments(model, training, data, derive_seed(seed, "training"), scratch)
        trainer = _trainer(course, arguments, checkpoints, batches, stopping)
        remedy = _REMEDY_WHOLE.format(training.batch_size) if micro_batch is None else _REMEDY.format(micro_batch)
        with device_memory("a training step", remedy, lambda: trainer.state.global_step):
            trainer.go_on()
        history = tuple(float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry)
    expected = arguments.max_steps if stopping is None else stopping.looks[-1][0]
    if len(history) != expected:
        message = f"the trainer made {len(history)} steps instead of {expected}"
        raise NumericError(message)
    if stopping is not None:
        stopping.restore()
    return Trained(
        losses=history,
        trace=course.module.trace.table(),
        refresh=course.record(len(history)),
        batching=None if batches is None else batches.record,
        looks=() if stopping is None else tuple(stopping.looks),
        best_step=None if stopping is None else stopping.best[0],
    )


@contextmanager
def _shared(course: "Course", ranks: Ranks) -> Iterator[None]:
    """Have the other ranks help inside; with one alone nothing of torch.distributed is loaded."""
    if ranks.count == 1:
        yield
        return
    from harness.training.peers import Peers

    peers = Peers(course.module.model, ranks)
    course.share_with(peers)
    with peers:
        yield


def _stopping(
    model: "SentenceTransformer", training: TrainingSpec, look: Callable[[], Mapping[str, float]] | None
) -> "EarlyStopping | None":
    from harness.training.stopping import EarlyStopping

    settings = training.early_stopping
    if settings is None:
        return None
    if look is None:
        message = "early_stopping needs a dev split to look at"
        raise DataError(message)
    return EarlyStopping(model, settings, lambda: look()[settings.metric])


def _arguments(
    model: "SentenceTransformer", training: TrainingSpec, data: TrainingData, seed: int, scratch: str
) -> "SentenceTransformerTrainingArguments":
    """Return the trainer's own settings; it writes nothing but what we have it write."""
    from sentence_transformers import SentenceTransformerTrainingArguments

    return SentenceTransformerTrainingArguments(
        output_dir=scratch,
        max_steps=steps_of(data.paced, training),
        per_device_train_batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        warmup_steps=training.warmup_share,
        lr_scheduler_type="linear",
        seed=seed,
        data_seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=model.device.type == "cpu",
        bf16=model.device.type == "cuda",
    )


def _trainer(
    course: "Course",
    arguments: "SentenceTransformerTrainingArguments",
    checkpoints: Checkpoints | None,
    batches: "Batches | None",
    stopping: "EarlyStopping | None",
) -> "ResumableTrainer":
    import datasets
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    from harness.training.resuming import ResumableTrainer

    model = course.module.model
    parts: dict[str, Remembering] = dict(course.parts)
    if batches is not None:
        arguments.batch_sampler = batches.sampler
        parts["batches"] = batches
    if stopping is not None:
        parts["stopping"] = stopping
    trainer = ResumableTrainer(
        checkpoints=checkpoints,
        parts=parts,
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict({"label": list(range(len(course.feed.data.query)))}),
        data_collator=_collator(model, course.feed),
        loss=course.module.to(model.device),
        callbacks=[course.callback(), *([stopping] if stopping is not None else [])],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    return trainer


def _collator(model: "SentenceTransformer", feed: Feed) -> "SentenceTransformerDataCollator":
    """Return the trainer's collator: it is given numbers of pairs and looks the rest up."""
    from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator

    prompts = {kind: model.prompts.get(kind) or "" for kind in ("query", "document")}

    class Collator(SentenceTransformerDataCollator):
        def __call__(self, features: list[dict[str, int]]) -> dict[str, object]:
            rows = feed.rows([each["label"] for each in features])
            kinds = {column: "query" if column == "anchor" else "document" for column in rows[0]}
            self.prompts = {column: prompts[kind] for column, kind in kinds.items() if prompts[kind]}
            batch: dict[str, object] = super().__call__(rows)
            return batch

    return Collator(preprocess_fn=model.preprocess)
