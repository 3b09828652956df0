"""A few pairs to train on, and small students: static, and a transformer of random weights."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from harness.training.bases import Static
from harness.training.data import TrainingData

QUERIES = [f"sort the array number {index} by {word}" for index, word in enumerate(["rows", "columns", "keys"] * 4)]
DOCUMENTS = [f"returns a copy sorted along {word} axis {index}" for index, word in enumerate(["first", "last"] * 12)]


def data(k: int = 1) -> TrainingData:
    index = np.arange(12, dtype=np.int32)
    negative = np.stack([np.roll(np.arange(12, 24, dtype=np.int32), shift) for shift in range(k)], axis=1)
    return TrainingData(QUERIES, DOCUMENTS, index, index, negative)


def static() -> SentenceTransformer:
    return Static().load(max_length=32, texts=[*QUERIES, *DOCUMENTS])


@cache
def words() -> list[str]:
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(" ".join([*QUERIES, *DOCUMENTS]).split()))]


def random_encoder(folder: Path, dropout: float = 0.1) -> Path:
    """Save a BERT of one layer and random weights, as transformers does."""
    from transformers import BertConfig, BertModel, BertTokenizer

    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(words()))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words()),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=1.0,
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def weights(model: SentenceTransformer) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
