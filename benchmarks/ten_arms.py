"""Ten ways of mining, three seeds each, as a plain script of sentence-transformers does it.

    python benchmarks/ten_arms.py FOLDER OUT.json

One call of `mine_hard_negatives` per arm, the trainer and InformationRetrievalEvaluator
for each seed. `benchmarks/training.py sweep` runs it beside `winnow sweep`.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import datasets
import torch
from safetensors.torch import load_file
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from sentence_transformers.util import mine_hard_negatives
from tokenizers import Tokenizer

ARMS: dict[str, dict[str, Any]] = {
    "naive top-k": {},
    "shifted by 10": {"range_min": 10},
    "uniform of 50": {"range_max": 50, "sampling_strategy": "random"},
    "Abs 0.7": {"max_score": 0.7},
    "MarginPos 0.05": {"absolute_margin": 0.05},
    "MarginPos 0.10": {"absolute_margin": 0.10},
    "PercPos 0.95": {"relative_margin": 0.05},
    "PercPos 0.90": {"relative_margin": 0.10},
    "PercPos 0.80": {"relative_margin": 0.20},
    "PercPos 0.70": {"relative_margin": 0.30},
}
NEGATIVES, DEPTH, SEEDS = 4, 100, (0, 1, 2)
EPOCHS, BATCH_SIZE, LEARNING_RATE, MAX_LENGTH = 3, 64, 2e-3, 128


def mined(
    arm: dict[str, Any], pairs: datasets.Dataset, corpus: list[str], teacher: SentenceTransformer
) -> datasets.Dataset:
    """Return the pairs that keep all their negatives, with them."""
    return mine_hard_negatives(
        pairs,
        teacher,
        corpus=corpus,
        num_negatives=NEGATIVES,
        output_format="n-tuple",
        use_faiss=False,
        verbose=False,
        **{"range_max": DEPTH, **arm},
    )


def static(folder: Path) -> SentenceTransformer:
    """Return mean token embeddings from MiniLM's table."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_LENGTH)
    table = load_file(str(folder / "model.safetensors"))["embeddings.word_embeddings.weight"]
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table.float())], device="cpu")


def trained(folder: Path, rows: datasets.Dataset, seed: int) -> SentenceTransformer:
    """Return a base that was fine-tuned on `rows`."""
    model = static(folder)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE,
            warmup_steps=0.1,
            seed=seed,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        )
        loss = MultipleNegativesRankingLoss(model)
        SentenceTransformerTrainer(model=model, args=arguments, train_dataset=rows, loss=loss).train()
    return model


def main(given: Path, out: Path) -> None:
    """Run all arms on the collection in `given` and write what came out to `out`."""
    torch.set_num_threads(2)
    collection = json.loads(given.read_text(encoding="utf-8"))
    folder = Path(collection["model"])
    seconds = dict.fromkeys(("mining", "training", "evaluating"), 0.0)
    pairs = datasets.Dataset.from_dict(collection["pairs"])
    corpus, queries, relevant = collection["corpus"], collection["queries"], collection["relevant"]
    results: dict[str, Any] = {}
    for name, arm in ARMS.items():
        start = time.perf_counter()
        teacher = SentenceTransformer(str(folder), device="cpu")
        teacher.max_seq_length = MAX_LENGTH
        rows = mined(arm, pairs, list(corpus.values()), teacher)
        seconds["mining"] += time.perf_counter() - start
        scores = []
        for seed in SEEDS:
            start = time.perf_counter()
            model = trained(folder, rows, seed)
            seconds["training"] += time.perf_counter() - start
            start = time.perf_counter()
            evaluator = InformationRetrievalEvaluator(
                queries, corpus, {query: set(documents) for query, documents in relevant.items()}, write_csv=False
            )
            scores.append(evaluator(model)["cosine_ndcg@10"])
            seconds["evaluating"] += time.perf_counter() - start
        results[name] = {"rows": len(rows), "ndcg_at_10": [float(score) for score in scores]}
    out.write_text(json.dumps({"arms": results, "seconds": seconds}), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
