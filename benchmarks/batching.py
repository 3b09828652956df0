"""How hard the negatives of a batch are, by batcher, on the docstrings collection; prints a Markdown table.

Of each query its largest cosine with another query's positive of its batch, by a model
that is not trained further. `python benchmarks/batching.py` takes about two minutes.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

from harness.arguments import component
from harness.registry import BATCHERS, DATASETS
from harness.sources.kept import load_collection
from harness.spec import TrainingSpec
from harness.store import Store
from harness.training.bases import MiniLMBase, Static
from harness.training.data import TrainingData
from harness.training.sampler import Batches, pairs_of

EPOCH = 2
"""The first epoch in which ngame has clusters of a batch's size."""


def main() -> None:
    """Measure every batcher on 2,000 pairs in batches of 64."""
    with tempfile.TemporaryDirectory() as folder:
        collection = load_collection(component(DATASETS, "docstrings", {"train_pairs": 2000}), Store(Path(folder)))
    rows = collection.split("train")
    query, positive = rows.query[rows.labelled], rows.document[rows.labelled]
    none = np.empty((len(query), 0), dtype=np.int32)
    data = TrainingData(collection.query_texts, collection.document_texts, query, positive, none)
    texts = [*collection.query_texts, *collection.document_texts]
    print("| model | batcher | in-batch max-similarity | conflicts | seconds |\n|---|---|---|---|---|")
    for base in (Static(), MiniLMBase()):
        print("\n".join(measured(type(base).__name__, base.load(max_length=64, texts=texts), data)))


def measured(title: str, model: SentenceTransformer, data: TrainingData) -> Iterator[str]:
    """Yield a line for each batcher."""
    pairs = pairs_of(data, model)
    cosine = pairs.embed_queries() @ pairs.embed_positives().T
    cosine[data.query[:, None] == data.query[None, :]] = -1.0  # positives of the own query
    for name in BATCHERS.names():
        batches = Batches(TrainingSpec(batching=component(BATCHERS, name, {})), data, model, 0)
        start = time.perf_counter()
        found = [batches.of(epoch) for epoch in range(EPOCH + 1)][-1]
        seconds = time.perf_counter() - start
        hardest = np.concatenate([cosine[np.ix_(batch, batch)].max(axis=1) for batch in found])
        yield (f"| {title} | `{name}` | {hardest.mean():.3f} | {batches.record.conflicts[-1]} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
