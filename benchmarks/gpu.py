"""What a GPU gives: training against the bare trainer, encoding and search against the hardware, runs packed together.

    python benchmarks/gpu.py --model FOLDER             # at most eight minutes
    python benchmarks/gpu.py --quick --device cpu       # does it run at all? its figures say nothing

Needs torch and sentence-transformers, a model's folder (the packaged MiniLM by default)
and no network; nothing of mlflow, optuna or mteb. Texts are random words of the model's
own vocabulary. The two sides of a comparison take turns; medians and ratios are printed,
with the name of the device. JSON goes to `--out`.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent.parent))

from harness.losses.base import Loss
from harness.registry import LOSSES
from harness.spec import TrainingSpec
from harness.teachers.base import Resources
from harness.teachers.dense import encode, load_encoder
from harness.teachers.search import exact_top_k
from harness.training.data import TrainingData
from harness.training.trainer import train

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]
Result = dict[str, float | int | str]
ABSENT = ("mlflow", "optuna", "mteb", "beir")
SHORTEST = 4
"""Letters of the shortest word used."""
WORDS = {"query": 12, "document": 90}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    pairs: int = 12800
    batch_size: int = 256
    turns: int = 3
    texts: int = 40000
    documents: int = 1_000_000
    queries: int = 10_000
    packed: tuple[int, ...] = (1, 2, 4, 8)
    packed_pairs: int = 6400


QUICK = Sizes(pairs=16, batch_size=8, turns=1, texts=64, documents=2000, queries=50, packed=(1, 2), packed_pairs=16)


@dataclass(frozen=True)
class Guide:
    """A guide whose embeddings are given."""

    queries: FloatArray
    documents: FloatArray

    def embed_queries(self) -> FloatArray:
        """Return unit vectors of all queries."""
        return self.queries

    def embed_documents(self) -> FloatArray:
        """Return unit vectors of all documents."""
        return self.documents

    def score(self, query: IntArray, document: IntArray) -> FloatArray:
        """Score pairs."""
        scores: FloatArray = (self.queries[query] * self.documents[document]).sum(axis=1)
        return scores


@dataclass(frozen=True)
class Bench:
    """The model, the device and the sizes."""

    model: Path
    device: str
    sizes: Sizes

    def load(self, max_length: int = 128) -> "SentenceTransformer":
        """Return a fresh copy of the model on the device, in float32."""
        import torch

        return load_encoder(str(self.model), max_length=max_length).to(torch.float32).to(self.device)

    def texts(self, kind: str, count: int, seed: int) -> list[str]:
        """Return texts of random words; the number of words varies by half around its mean."""
        vocabulary = [word for word in self.load().tokenizer.get_vocab() if word.isalpha() and len(word) >= SHORTEST]
        rng = np.random.default_rng(seed)
        lengths = rng.integers(WORDS[kind] // 2, WORDS[kind] * 3 // 2, count)
        return [" ".join(rng.choice(vocabulary, length)) for length in lengths]

    def wait(self) -> None:
        """Wait until the device has done what it was given."""
        import torch

        if self.device == "cuda":
            torch.cuda.synchronize()

    def clocked(self, action: Callable[[], object]) -> float:
        """Return the seconds that `action` takes, the device's work included."""
        self.wait()
        start = time.perf_counter()
        action()
        self.wait()
        return time.perf_counter() - start

    def in_turns(self, actions: Sequence[Callable[[], object]]) -> list[float]:
        """Return the median seconds of each action, all of them taking turns; a first turn does not count."""
        turns = [[self.clocked(action) for action in actions] for _ in range(self.sizes.turns + 1)][1:]
        return [statistics.median(column) for column in zip(*turns, strict=True)]


def training_data(bench: Bench, pairs: int) -> TrainingData:
    """Return pairs with one negative each, and a guide that is the model itself."""
    queries, documents = bench.texts("query", pairs, 0), bench.texts("document", 2 * pairs, 1)
    model = bench.load()
    guide = Guide(encode(model, queries, batch_size=256), encode(model, documents, batch_size=256))
    index = np.arange(pairs, dtype=np.int32)
    return TrainingData(queries, documents, index, index, (pairs + index)[:, None], guides=(guide,))


def training(bench: Bench) -> list[Result]:
    """Compare arms with the bare trainer: same pairs, same steps, bfloat16 on a GPU."""
    from sentence_transformers.sentence_transformer.losses import GISTEmbedLoss, MultipleNegativesRankingLoss

    data = training_data(bench, bench.sizes.pairs)
    spec = TrainingSpec(epochs=1, batch_size=bench.sizes.batch_size, learning_rate=2e-5)
    guide = bench.load()
    names = ("info_nce", "gist", "self_guided", "mw")
    arms = {name: cast("Loss", LOSSES.create(name, {})) for name in names}
    sides: dict[str, Callable[[], object]] = {
        f"arm {name}": lambda loss=loss: train(bench.load(), data, spec, loss, 0) for name, loss in arms.items()
    }
    sides["trainer, MNRL"] = lambda: bare(bench, data, spec, MultipleNegativesRankingLoss)
    sides["trainer, GISTEmbedLoss"] = lambda: bare(bench, data, spec, lambda model: GISTEmbedLoss(model, guide))
    seconds = dict(zip(sides, bench.in_turns(list(sides.values())), strict=True))
    base = seconds["trainer, MNRL"]
    return [
        {"side": name, "pairs/s": len(data.query) / spent, "times the trainer with MNRL": base / spent}
        for name, spent in seconds.items()
    ]


def bare(
    bench: Bench, data: TrainingData, spec: TrainingSpec, loss_of: "Callable[[SentenceTransformer], torch.nn.Module]"
) -> None:
    """Train with the library's trainer alone."""
    import datasets
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments

    model = bench.load()
    with tempfile.TemporaryDirectory() as scratch, Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch,
            num_train_epochs=spec.epochs,
            per_device_train_batch_size=spec.batch_size,
            learning_rate=spec.learning_rate,
            warmup_steps=spec.warmup_share,
            logging_steps=500,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=bench.device == "cpu",
            bf16=bench.device == "cuda",
        )
        columns = {
            "anchor": list(data.query_texts),
            "positive": [data.document_texts[index] for index in data.positive],
            "negative": [data.document_texts[index] for index in data.negative[:, 0]],
        }
        rows = datasets.Dataset.from_dict(columns)
        SentenceTransformerTrainer(model=model, args=arguments, train_dataset=rows, loss=loss_of(model)).train()


def encoding(bench: Bench) -> list[Result]:
    """Compare encoding in bfloat16 with the device's own product of matrices."""
    import torch

    texts = bench.texts("document", bench.sizes.texts, 2)
    model = bench.load().to(torch.bfloat16)
    batch_size = 1024 if bench.device == "cuda" else 32
    ours, theirs = bench.in_turns(
        [
            lambda: encode(model, texts, batch_size=batch_size),
            lambda: model.encode(texts, batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False),
        ]
    )
    tokens = sum(len(ids) for ids in model.tokenizer(texts, truncation=True, max_length=128)["input_ids"])
    layers = model.get_submodule("0.auto_model.encoder")
    weights = sum(parameter.numel() for parameter in layers.parameters() if parameter.ndim > 1)
    operations = 2 * weights * tokens
    peak = matmul_rate(bench)
    tokenising = bench.clocked(lambda: model.preprocess(texts))
    return [
        {
            "texts": len(texts),
            "encode, texts/s": len(texts) / ours,
            "model.encode, texts/s": len(texts) / theirs,
            "encode / model.encode": theirs / ours,
            "achieved TFLOP/s": operations / ours / 1e12,
            "matmul TFLOP/s": peak / 1e12,
            "share of the limit": operations / ours / peak,
            "share of the time that is tokenising": tokenising / ours,
        }
    ]


def matmul_rate(bench: Bench) -> float:
    """Return the operations per second of a large product in bfloat16."""
    import torch

    n = 8192 if bench.device == "cuda" else 512
    matrix = torch.randn(n, n, device=bench.device, dtype=torch.bfloat16)
    (seconds,) = bench.in_turns([lambda: [matrix @ matrix for _ in range(10)]])
    return 10 * 2 * n**3 / seconds


def searching(bench: Bench) -> list[Result]:
    """Compare the exact search with a bare product and top-k, the corpus starting in main memory for both."""
    import torch

    rng = np.random.default_rng(3)
    documents = rng.standard_normal((bench.sizes.documents, 384), dtype=np.float32)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    queries = documents[:: len(documents) // bench.sizes.queries][: bench.sizes.queries].copy()
    place = np.arange(len(documents), dtype=np.int32)
    resources = Resources(memory=16 << 30 if bench.device == "cuda" else 256 << 20, device=bench.device)

    def bare_search() -> None:
        right = torch.from_numpy(documents).to(bench.device).T
        for start in range(0, len(queries), 1024):
            left = torch.from_numpy(queries[start : start + 1024]).to(bench.device)
            torch.topk(left @ right, 100).indices.cpu()

    ours, theirs = bench.in_turns(
        [lambda: exact_top_k(queries, documents, 100, place, resources=resources), bare_search]
    )
    return [
        {
            "documents": len(documents),
            "queries": len(queries),
            "exact search, s": ours,
            "bare, s": theirs,
            "exact / bare": ours / theirs,
        }
    ]


def packed(bench: Bench) -> list[Result]:
    """Run several small trainings at a time on the one device."""
    rows: list[Result] = []
    context = multiprocessing.get_context("spawn")
    for count in bench.sizes.packed:
        barrier = context.Barrier(count + 1)
        workers = [context.Process(target=small_run, args=(bench, seed, barrier)) for seed in range(count)]
        for worker in workers:
            worker.start()
        barrier.wait()
        start = time.perf_counter()
        for worker in workers:
            worker.join()
        seconds = time.perf_counter() - start
        if any(worker.exitcode for worker in workers):
            message = f"one of {count} runs at a time failed"
            raise RuntimeError(message)
        rows.append({"runs at a time": count, "s": seconds, "runs/min": 60 * count / seconds})
    for row in rows:
        row["times one at a time"] = float(row["runs/min"]) / float(rows[0]["runs/min"])
    return rows


def small_run(bench: Bench, seed: int, barrier: "multiprocessing.synchronize.Barrier") -> None:
    """Train one small arm, after one that warms up and when all others are ready."""
    spec = TrainingSpec(epochs=1, batch_size=min(64, bench.sizes.packed_pairs), learning_rate=2e-5)
    loss = cast("Loss", LOSSES.create("info_nce", {}))
    data = training_data(bench, bench.sizes.packed_pairs)
    train(bench.load(), training_data(bench, spec.batch_size), spec, loss, seed)
    barrier.wait()
    train(bench.load(), data, spec, loss, seed)


PARTS = {"training": training, "encoding": encoding, "searching": searching, "packed": packed}


def main() -> None:
    """Measure everything, or what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--model", type=Path, help="folder of an encoder (default: the packaged MiniLM)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: only to see that it runs")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args()
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"unknown part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA device; --quick --device cpu shows that everything runs")
    if options.model is None:
        from harness.teachers.minilm import minilm_folder

        options.model = minilm_folder()
    warnings.simplefilter("ignore")
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    bench = Bench(options.model, options.device, QUICK if options.quick else Sizes())
    device = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    figures: dict[str, object] = {"device": device, "torch": torch.__version__, "quick": options.quick}
    print(f"{device}, torch {torch.__version__}")
    for name in options.parts or PARTS:
        rows = PARTS[name](bench)
        figures[name] = rows
        print(f"\n{name}")
        for row in rows:
            print(
                "  "
                + ", ".join(
                    f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}"
                    for key, value in row.items()
                )
            )
        sys.stdout.flush()
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if loaded := [name for name in ABSENT if name in sys.modules]:
        raise SystemExit(f"these were imported, and need not be: {', '.join(loaded)}")


if __name__ == "__main__":
    main()
