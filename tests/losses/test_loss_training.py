"""Every loss through the trainer, with a guide that is looked up."""

from dataclasses import replace

import numpy as np
import pytest

from harness.registry import LOSSES
from harness.spec import TrainingSpec
from harness.training.trainer import train
from tests.training.test_trainer import DOCUMENTS, QUERIES, data, static

SETTINGS = TrainingSpec(epochs=6, batch_size=12, learning_rate=0.002)


class Vectors:
    """A guide whose vectors are drawn once; queries lie near the documents of their number."""

    def __init__(self) -> None:
        drawn = np.random.default_rng(0).normal(size=(len(DOCUMENTS), 8)).astype(np.float32)
        self._documents = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    def embed_queries(self):
        return self._documents[: len(QUERIES)]

    def embed_documents(self):
        return self._documents

    def score(self, query, document):
        return (self._documents[query] * self._documents[document]).sum(axis=1)


@pytest.mark.parametrize("name", LOSSES.names())
def test_training_lowers_the_loss(name):
    negative = np.where(np.arange(24) % 5, np.arange(24)[::-1], -1).astype(np.int32).reshape(12, 2)
    given = data(negative)
    given = replace(given, guides=(Vectors(),))

    history = train(static(), given, SETTINGS, LOSSES.create(name, {}), 0).losses

    assert len(history) == 6
    assert history[-1] < history[0]
