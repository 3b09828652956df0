import numpy as np
import pytest
import torch

from harness.losses.base import Loss
from harness.losses.info_nce import InfoNCE
from harness.registry import LOSSES
from harness.spec import TrainingSpec
from harness.training.bases import Encoder
from harness.training.contrast import Contrast
from harness.training.data import TrainingData
from harness.training.trainer import micro_batch_of, train
from tests.training.toy import DOCUMENTS, QUERIES, data, static

NAMES = LOSSES.names()


class Teacher:
    """Guides with fixed random vectors."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self._query, self._document = (self._unit(rng, len(texts)) for texts in (QUERIES, DOCUMENTS))

    @staticmethod
    def _unit(rng, n):
        vectors = rng.normal(size=(n, 8)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed_queries(self):
        return self._query

    def embed_documents(self):
        return self._document

    def score(self, query, document):
        return (self._query[query] * self._document[document]).sum(axis=1)


def step(folder, loss: Loss, micro_batch):
    """Return the loss and the gradients of one batch of pairs with two negatives, one of them missing."""
    given = data(k=2)
    given.negative[3, 1] = -1
    guides = () if loss.guidance == "none" else (Teacher(),)
    given = TrainingData(QUERIES, DOCUMENTS, given.query, given.positive, given.negative, guides=guides)
    model = Encoder(path=str(folder)).load(max_length=16, texts=())
    contrast = Contrast(model, loss, given, micro_batch)
    negatives = [["" if index < 0 else DOCUMENTS[index] for index in column] for column in given.negative.T]
    features = [model.preprocess(column) for column in (QUERIES, DOCUMENTS[:12], *negatives)]
    labels = torch.from_numpy(np.concatenate([np.arange(12)[:, None], given.negative], axis=1))
    value = contrast(features, labels)
    value.backward()
    return value.item(), {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("name", NAMES)
def test_a_cached_gradient_is_the_gradient_of_the_whole_batch(plain_encoder_folder, name):
    loss = LOSSES.create(name, {})

    whole, expected = step(plain_encoder_folder, loss, None)
    cached, found = step(plain_encoder_folder, loss, 5)

    assert cached == pytest.approx(whole, rel=1e-5)
    assert found.keys() == expected.keys()
    for key, gradient in expected.items():
        assert torch.allclose(found[key], gradient, rtol=1e-3, atol=1e-5), key
    assert max(gradient.abs().max() for gradient in expected.values()) > 1e-4


def test_no_more_texts_than_the_micro_batch_are_embedded_at_once(plain_encoder_folder, monkeypatch):
    seen = []
    model = Encoder(path=str(plain_encoder_folder)).load(max_length=16, texts=())
    model.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0]["input_ids"])))

    train(model, data(), TrainingSpec(epochs=1, batch_size=12, micro_batch=5), InfoNCE(), 0)

    assert seen == [5, 5, 2] * 3 * 2  # three columns, embedded without and with gradients


def test_a_static_base_embeds_its_batch_whole_and_trains_the_same():
    plain = TrainingSpec(epochs=1, batch_size=4)
    small = plain.model_copy(update={"micro_batch": 2})

    assert micro_batch_of(static(), small) is None
    assert train(static(), data(), small, InfoNCE(), 0) == train(static(), data(), plain, InfoNCE(), 0)
