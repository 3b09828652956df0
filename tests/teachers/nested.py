"""Teachers to nest: one that reads its scores from a table, and a cross-encoder with random weights."""

from pathlib import Path

import numpy as np
from pydantic.dataclasses import dataclass

from harness.collection import Collection
from harness.mining.base import PADDING
from harness.spec import STRICT
from harness.teachers.base import Candidates
from harness.teachers.search import id_order

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS += ["red", "blue", "green", "cat", "dog", "fish", "tree", "house", "river", "stone"]


@dataclass(kw_only=True, config=STRICT)
class Listed:
    """Scores as given, a row per query; candidates are the documents that score above 0."""

    table: tuple[tuple[float, ...], ...]

    def identity(self):
        return str(self.table)

    def search(self, collection, queries, depth, work):
        place, rows = id_order(collection.document_ids), np.array(self.table, dtype=np.float32)[queries]
        order = np.lexsort((np.broadcast_to(place, rows.shape), -rows), axis=1)[:, :depth]
        score = np.take_along_axis(rows, order, axis=1)
        found = score > 0
        return Candidates(np.where(found, order, PADDING).astype(np.int32), np.where(found, score, -np.inf))

    def score(self, collection, queries, documents, work):
        return np.array(self.table, dtype=np.float32)[queries, documents]


def listed(table):
    return {"name": "listed", "params": {"table": np.asarray(table, dtype=float).tolist()}}


def words(n_documents, n_queries):
    """Make a collection of short texts over WORDS; the last document repeats the first, and one is empty."""
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS[5:], int(rng.integers(1, 9)))) for _ in range(n_documents + n_queries - 2)]
    documents = (*texts[: n_documents - 2], "", texts[0])
    ids = tuple(f"d{(7 * row) % n_documents:03}" for row in range(n_documents))
    return Collection("words", ids, documents, tuple(f"q{n}" for n in range(n_queries)), tuple(texts[-n_queries:]))


def random_cross_encoder(folder: Path, labels: int = 1) -> Path:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=labels,
        initializer_range=1.0,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder
