"""Training and evaluation beside sentence-transformers used directly: same pairs, same steps, same machine.

    python benchmarks/training.py guided        # a looked-up guide against GISTEmbedLoss, which runs it
    python benchmarks/training.py plain         # an InfoNCE arm against the trainer used directly
    python benchmarks/training.py encode        # encoding against model.encode
    WINNOW_DATA=folder python benchmarks/training.py sweep    # ten arms, three seeds, end to end, on stackfaq
    python benchmarks/training.py               # all of them

The two sides of a comparison take turns in one process, after a turn that does not
count; what is printed are medians and their ratio. A training is timed as a whole, and
from its first step to its last: the trainer used directly also writes a model card. `sweep` runs `winnow sweep` and a
plain script as two processes, imports included. JSON goes to `--out`.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from beside_script import beside_script

from harness.losses.base import Loss
from harness.registry import LOSSES
from harness.seeding import derive_seed
from harness.sources.kept import load_collection
from harness.spec import Component, TrainingSpec
from harness.store import Store
from harness.teachers.base import Workspace, build_pool, teacher_of
from harness.teachers.dense import BiEncoder, load_encoder
from harness.teachers.guide import StoredGuide
from harness.teachers.minilm import minilm_folder
from harness.training.bases import MiniLM3L, Static
from harness.training.data import TrainingData
from harness.training.trainer import train

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer


Result = dict[str, float | int | str]
GUIDE = Component(name="minilm", params={"max_length": 128})
SEED = 0
QUICKSTART = Component(name="docstrings", params={"train_pairs": 2000, "dev_queries": 300, "test_queries": 400})
"""The quickstart's collection: where that has been run, its pool is in the store."""


def in_turns(actions: Sequence[Callable[[], float]], turns: int) -> list[float]:
    """Return the median of what each action measures, all of them taking turns; the first turn does not count."""
    measured = [[action() for action in actions] for _ in range(turns + 1)][1:]
    return [statistics.median(column) for column in zip(*measured, strict=True)]


def docstrings(pairs: int, work: Workspace) -> TrainingData:
    """Return the first pairs of the docstrings with one mined negative each, guided by MiniLM from the store."""
    collection = load_collection(QUICKSTART, work.store)
    pool = build_pool(teacher_of(GUIDE), collection, "train", 100, work)
    first = pool.eligible.argmax(axis=1)
    return TrainingData(
        collection.query_texts,
        collection.document_texts,
        pool.query[:pairs],
        pool.positive_document[:pairs],
        pool.document[np.arange(len(first)), first][:pairs, None],
        guides=(StoredGuide(GUIDE, collection, work),),
    )


@dataclass(frozen=True)
class Setting:
    """What both sides of a comparison train: a student, pairs, batches."""

    student: str
    data: TrainingData
    training: TrainingSpec
    max_length: int = 128

    @property
    def texts(self) -> list[str]:
        """Return all texts of the collection."""
        return [*self.data.query_texts, *self.data.document_texts]

    def ours(self) -> "SentenceTransformer":
        """Return the student as an arm loads it."""
        base = Static() if self.student == "static" else MiniLM3L()
        return base.load(max_length=self.max_length, texts=self.texts)

    def theirs(self) -> "SentenceTransformer":
        """Return the student as the library's own modules make it."""
        return full_static(self.max_length) if self.student == "static" else self.ours()

    def columns(self) -> dict[str, list[str]]:
        """Return the pairs as columns of texts."""
        data = self.data
        return {
            "anchor": [data.query_texts[index] for index in data.query],
            "positive": [data.document_texts[index] for index in data.positive],
            "negative": [data.document_texts[index] for index in data.negative[:, 0]],
        }


def full_static(max_length: int) -> "SentenceTransformer":
    """Return a StaticEmbedding of the library over MiniLM's whole token table."""
    from safetensors.torch import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    table = load_file(str(minilm_folder() / "model.safetensors"))["embeddings.word_embeddings.weight"]
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table.float())], device="cpu")


@dataclass(frozen=True)
class Timed:
    """A training: seconds in all, seconds from its first step to its last, and the losses that it noted."""

    whole: float
    loop: float
    losses: list[float]


@contextmanager
def stamps(of: str) -> Iterator[list[float]]:
    """Note when each forward pass of the loss module called `of` begins."""
    from torch.nn.modules.module import register_module_forward_pre_hook

    found: list[float] = []

    def note(module: "torch.nn.Module", given: object) -> None:
        del given
        if type(module).__name__ == of:
            found.append(time.perf_counter())

    handle = register_module_forward_pre_hook(note)
    try:
        yield found
    finally:
        handle.remove()


def our_training(setting: Setting, loss: Loss) -> Timed:
    """Time an arm's training."""
    model = setting.ours()
    with stamps("Contrast") as steps:
        start = time.perf_counter()
        trained = train(model, setting.data, setting.training, loss, SEED)
        whole = time.perf_counter() - start
    return Timed(whole, steps[-1] - steps[0], list(trained.losses))


def library_training(
    setting: Setting, loss_of: "Callable[[SentenceTransformer], torch.nn.Module]", every: int = 1
) -> Timed:
    """Time the library's trainer used directly; it notes a loss every `every` steps."""
    import datasets
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments

    model, training = setting.theirs(), setting.training
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        start = time.perf_counter()
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch,
            num_train_epochs=training.epochs,
            per_device_train_batch_size=training.batch_size,
            learning_rate=training.learning_rate,
            warmup_steps=training.warmup_share,
            seed=derive_seed(SEED, "training"),
            data_seed=derive_seed(SEED, "training"),
            logging_steps=every,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        )
        loss = loss_of(model)
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=datasets.Dataset.from_dict(setting.columns()), loss=loss
        )
        quiet = redirect_stdout(stack.enter_context(Path(os.devnull).open("w")))
        with quiet, stamps(type(loss).__name__) as steps:
            trainer.train()
        whole = time.perf_counter() - start
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return Timed(whole, steps[-1] - steps[0], losses)


def settings(work: Workspace, pairs: dict[str, int]) -> dict[str, Setting]:
    """Return what is trained, by student, on so many pairs."""
    trainings = {
        "static": TrainingSpec(epochs=1, batch_size=64),
        "minilm_3l": TrainingSpec(epochs=1, batch_size=32, learning_rate=5e-5),
    }
    return {name: Setting(name, docstrings(count, work), trainings[name]) for name, count in pairs.items()}


def trainings(sides: dict[str, Callable[[], Timed]], turns: int) -> dict[str, Timed]:
    """Have trainings take turns; return the medians of their seconds. The first turn does not count."""
    measured = [{name: side() for name, side in sides.items()} for _ in range(turns + 1)][1:]
    return {
        name: Timed(
            statistics.median(turn[name].whole for turn in measured),
            statistics.median(turn[name].loop for turn in measured),
            measured[0][name].losses,
        )
        for name in sides
    }


def guided_by(guide: "SentenceTransformer", model: "SentenceTransformer") -> "torch.nn.Module":
    """Return the library's guided loss.

    It refuses a static student, whose tokens the guide cannot read. Such a student is
    made to remember the texts of its columns, and the guide is given those.
    """
    from sentence_transformers.sentence_transformer.losses import GISTEmbedLoss
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    if not isinstance(model[0], StaticEmbedding):
        return GISTEmbedLoss(model, guide)
    remembered: dict[bytes, list[str]] = {}
    preprocess = model.preprocess

    def remembering(texts: list[str], **more: object) -> "dict[str, torch.Tensor]":
        features = preprocess(texts, **more)
        remembered[features["input_ids"].numpy().tobytes()] = list(texts)
        return features

    class Remembered:
        def batch_decode(self, tokens: "torch.Tensor", *, skip_special_tokens: bool) -> list[str]:
            del skip_special_tokens
            return remembered[tokens.numpy().tobytes()]

    model.preprocess = remembering
    loss = GISTEmbedLoss(guide, guide)
    loss.model, loss.must_retokenize, loss.tokenizer = model, True, Remembered()
    return loss


def guided(work: Workspace, turns: int) -> list[Result]:
    """Compare a looked-up guide with one that is run, and with no guide."""
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    guide = load_encoder(str(minilm_folder()), max_length=128)
    gist, plain = (cast("Loss", LOSSES.create(name, {})) for name in ("gist", "info_nce"))
    rows: list[Result] = []
    for name, setting in settings(work, {"static": 640, "minilm_3l": 160}).items():
        setting.data.guides[0].embed_documents()
        sides: dict[str, Callable[[], Timed]] = {
            "looked-up guide": partial(our_training, setting, gist),
            "no guide": partial(our_training, setting, plain),
            "GISTEmbedLoss": partial(library_training, setting, partial(guided_by, guide)),
            "MNRL": partial(library_training, setting, MultipleNegativesRankingLoss),
        }
        found = trainings(sides, turns)
        pairs = zip(found["looked-up guide"].losses, found["GISTEmbedLoss"].losses, strict=True)
        rows.append(
            {"student": name, "steps": len(found["MNRL"].losses)}
            | {f"{side}, s": timed.loop for side, timed in found.items()}
            | {
                "GISTEmbedLoss / looked-up": found["GISTEmbedLoss"].loop / found["looked-up guide"].loop,
                "looked-up / no guide": found["looked-up guide"].loop / found["no guide"].loop,
                "largest difference of a loss": max(abs(left - right) for left, right in pairs),
            }
        )
    return rows


def plain(work: Workspace, turns: int) -> list[Result]:
    """Compare an InfoNCE arm with the trainer used directly."""
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    loss = cast("Loss", LOSSES.create("info_nce", {}))
    rows: list[Result] = []
    for name, setting in settings(work, {"static": 2000, "minilm_3l": 320}).items():
        found = trainings(
            {
                "arm": partial(our_training, setting, loss),
                "trainer": partial(library_training, setting, MultipleNegativesRankingLoss, every=500),
            },
            turns,
        )
        arm, trainer = found["arm"], found["trainer"]
        rows.append(
            {
                "student": name,
                "arm, s": arm.whole,
                "trainer, s": trainer.whole,
                "arm / trainer": arm.whole / trainer.whole,
                "its steps, s": arm.loop,
                "the trainer's": trainer.loop,
                "steps alone": arm.loop / trainer.loop,
            }
        )
    return rows


def encoding(work: Workspace, turns: int) -> list[Result]:
    """Compare a teacher that encodes into an empty store with the library's encode."""
    sizes = {"train_pairs": 300, "dev_queries": 100, "test_queries": 100, "documents": 600}
    whole = load_collection(Component(name="docstrings", params=sizes), work.store)
    texts = list(whole.document_texts)
    model = load_encoder(str(minilm_folder()), max_length=128)

    def ours() -> float:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            cast("BiEncoder", teacher_of(GUIDE)).embed_documents(whole, Workspace(Store(Path(folder))))
            return time.perf_counter() - start

    def theirs() -> float:
        start = time.perf_counter()
        model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return time.perf_counter() - start

    ours_seconds, theirs_seconds = in_turns([ours, theirs], turns)
    return [
        {
            "texts": len(texts),
            "teacher, texts/s": len(texts) / ours_seconds,
            "model.encode, texts/s": len(texts) / theirs_seconds,
            "teacher / encode": theirs_seconds / ours_seconds,
        }
    ]


def table(rows: list[Result]) -> str:
    """Lay rows out in columns."""
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([shown(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(names))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)


def shown(value: float | str) -> str:
    """Write a figure to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def sweep(work: Workspace, turns: int) -> list[Result]:
    """Compare `winnow sweep` on an empty store with a plain script, end to end, once."""
    del turns
    return beside_script(work)


PARTS = {"guided": guided, "plain": plain, "encode": encoding, "sweep": sweep}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--turns", type=int, default=3, help="turns that count (default: 3)")
    parser.add_argument("--threads", type=int, default=2, help="threads of each side (default: 2)")
    parser.add_argument("--store", type=Path, default=Path("results/.store"))
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args()
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"unknown part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    import torch

    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    figures: dict[str, list[Result]] = {}
    for name in options.parts or PARTS:
        figures[name] = PARTS[name](Workspace(Store(options.store)), options.turns)
        print(f"\n{name}\n{table(figures[name])}", flush=True)
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
