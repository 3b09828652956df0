from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from harness.errors import NumericError
from harness.losses.base import Cosines
from harness.losses.info_nce import InfoNCE
from harness.spec import TrainingSpec
from harness.training.bases import Static
from harness.training.contrast import Contrast
from harness.training.data import Feed, TrainingData
from harness.training.trainer import steps_of, train

QUERIES = [f"sort the array number {index} by {word}" for index, word in enumerate(["rows", "columns", "keys"] * 4)]
DOCUMENTS = [f"returns a copy sorted along {word} axis {index}" for index, word in enumerate(["first", "last"] * 12)]
FAST = TrainingSpec(epochs=1, batch_size=4)


def data(negative: np.ndarray | None = None) -> TrainingData:
    negative = np.arange(12, 24, dtype=np.int32).reshape(12, 1) if negative is None else negative
    index = np.arange(12, dtype=np.int32)
    return TrainingData(QUERIES, DOCUMENTS, index, index, negative)


def static() -> SentenceTransformer:
    return Static().load(max_length=32, texts=[*QUERIES, *DOCUMENTS])


def module(model: SentenceTransformer, given: TrainingData) -> torch.nn.Module:
    return Contrast(model, InfoNCE(), given)


def labels(given: TrainingData, order: torch.Tensor | None = None) -> torch.Tensor:
    rows = torch.arange(len(given.query)) if order is None else order
    return torch.cat([rows[:, None], torch.from_numpy(given.negative)[rows]], dim=1)


def features(model: SentenceTransformer, given: TrainingData) -> list[dict[str, torch.Tensor]]:
    columns = [QUERIES, [DOCUMENTS[index] for index in given.positive]]
    columns += [["" if index < 0 else DOCUMENTS[index] for index in column] for column in given.negative.T]
    return [model.preprocess(column) for column in columns]


def test_without_padding_the_loss_and_its_gradient_are_those_of_sentence_transformers():
    given = data(np.arange(24, dtype=np.int32).reshape(12, 2)[::-1].copy())
    ours, theirs = static(), static()

    left = module(ours, given)(features(ours, given), labels(given))
    right = MultipleNegativesRankingLoss(theirs, scale=20.0)(features(theirs, given), None)
    left.backward()
    right.backward()

    assert left.item() == pytest.approx(right.item(), abs=1e-6)
    weights = [next(model.parameters()).grad for model in (ours, theirs)]
    assert torch.allclose(*weights, atol=1e-6)


def test_a_padded_negative_takes_no_part_for_any_query():
    padded = np.full((12, 1), -1, dtype=np.int32)
    none = data(padded[:, :0])
    model = static()

    with_padding = module(model, data(padded))(features(model, data(padded)), labels(data(padded)))
    in_batch = module(model, none)(features(model, none), labels(none))

    assert with_padding.item() == pytest.approx(in_batch.item(), abs=1e-6)


def test_padding_follows_its_row_when_rows_are_shuffled():
    negative = np.where(np.arange(12) % 2, np.arange(12), -1).astype(np.int32).reshape(12, 1)
    model = static()
    contrast = module(model, data(negative))
    order = torch.tensor([3, 0, 5, 2])
    columns = [QUERIES, DOCUMENTS[:12], ["" if index < 0 else DOCUMENTS[index] for index in negative[:, 0]]]
    batch = [model.preprocess([column[row] for row in order]) for column in columns]

    shuffled = contrast(batch, labels(data(negative), order))
    short = [model.preprocess([column[row] for row in order]) for column in columns[:2]]
    negatives = model.preprocess([DOCUMENTS[3], DOCUMENTS[5]])
    query, positive, extra = (
        torch.nn.functional.normalize(model(part)["sentence_embedding"], dim=1) for part in (*short, negatives)
    )
    expected = torch.nn.functional.cross_entropy(20.0 * query @ torch.cat([positive, extra]).T, torch.arange(4))

    assert shuffled.item() == pytest.approx(expected.item(), abs=1e-6)


def test_a_weight_counts_for_the_negative_s_own_query_alone():
    negative = np.array([[20, 21], [22, 23], [14, 15]], dtype=np.int32)
    weight = np.array([[0.25, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=np.float32)
    index = np.arange(3, dtype=np.int32)
    model = static()
    order = torch.tensor([2, 0, 1])
    texts = [[DOCUMENTS[negative[row, place]] for row in order] for place in (0, 1)]
    batch = [model.preprocess([column[row] for row in order]) for column in (QUERIES, DOCUMENTS)]
    batch += [model.preprocess(column) for column in texts]
    query, *documents = (torch.nn.functional.normalize(model(part)["sentence_embedding"], dim=1) for part in batch)
    terms = torch.exp(20.0 * query @ torch.cat(documents).T)
    for place, row in enumerate(order.tolist()):  # the columns: 3 positives, 3 first negatives, 3 second ones
        for column in (0, 1):
            terms[place, 3 + 3 * column + place] *= weight[row, column]
    expected = -torch.log(torch.diagonal(terms[:, :3]) / terms.sum(dim=1)).mean()

    given = TrainingData(QUERIES, DOCUMENTS, index, index, negative, weight)
    loss = module(model, given)(batch, labels(given, order))

    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


def test_weights_of_one_train_the_same_model_and_others_do_not():
    weights = [None, np.ones((12, 1), dtype=np.float32), np.full((12, 1), 0.1, dtype=np.float32)]

    histories = [train(static(), replace(data(), weight=weight), FAST, InfoNCE(), 0).losses for weight in weights]

    assert histories[0] == histories[1] != histories[2]


def test_the_pace_sets_the_steps_whatever_pairs_there_are():
    history = train(static(), replace(data(), pace=5), FAST, InfoNCE(), 0).losses

    assert len(history) == steps_of(5, FAST) == 2


def test_every_epoch_trains_on_its_own_negatives(monkeypatch):
    epochs = np.stack([np.full((12, 1), 12 + epoch, dtype=np.int32) for epoch in range(3)])
    epochs[1, 4:] = -1
    seen = {epoch: [] for epoch in range(3)}
    rows = Feed.rows

    def recorded(self, numbers):
        found = rows(self, numbers)
        seen[self._epoch] += [row["negative_0"] for row in found]
        assert [row["label"][1] for row in found] == self.negatives[numbers, 0].tolist()
        return found

    monkeypatch.setattr(Feed, "rows", recorded)
    train(static(), data(epochs), TrainingSpec(epochs=3, batch_size=12), InfoNCE(), 0)

    assert [Counter(seen[epoch]) for epoch in range(3)] == [
        {DOCUMENTS[12]: 12},
        {DOCUMENTS[13]: 4, "": 8},
        {DOCUMENTS[14]: 12},
    ]


def test_a_batch_is_masked_as_it_was_fetched_even_if_the_negatives_have_changed_since():
    given = data()
    feed = Feed(given)
    before = feed.rows(range(12))

    feed.replace(np.full((12, 1), -1, dtype=np.int32))

    assert [row["label"] for row in before] == labels(given).tolist()
    assert [row["label"][1] for row in feed.rows(range(12))] == [-1] * 12
    assert {row["negative_0"] for row in feed.rows(range(12))} == {""}


def test_known_positives_are_masked_for_their_query_alone():
    known = np.array([[0, 0, 1], [1, 12, 13]], dtype=np.int32)  # query 0: documents 1 and 12, query 1: document 13
    given = replace(data(), known=known)
    vectors = torch.nn.functional.normalize(torch.randn(36, 8, generator=torch.Generator().manual_seed(0)), dim=1)

    batch = module(static(), given).batch(vectors[:12], vectors[12:], labels(given).numpy())

    refused = torch.nonzero(~batch.allowed).tolist()
    assert refused == [[0, 1], [0, 12], [1, 13]]


def test_a_positive_that_is_known_stays():
    index = np.arange(12, dtype=np.int32)
    given = replace(data(), known=np.stack([index, index]))
    vectors = torch.nn.functional.normalize(torch.randn(36, 8, generator=torch.Generator().manual_seed(0)), dim=1)

    batch = module(static(), given).batch(vectors[:12], vectors[12:], labels(given).numpy())

    assert batch.allowed.all()


def test_negatives_that_do_not_change_train_the_same_drawn_every_epoch_or_once():
    twice = TrainingSpec(epochs=2, batch_size=4)

    once, every = (
        train(static(), data(negative), twice, InfoNCE(), 0).losses
        for negative in (data().negative, np.stack([data().negative] * 2))
    )

    assert once == every


def test_the_same_seed_trains_the_same_weights_and_another_does_not():
    weights, losses = [], []
    for seed in (0, 0, 1):
        model = static()
        losses.append(train(model, data(), FAST, InfoNCE(), seed).losses)
        weights.append(next(model.parameters()).detach().clone())

    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_steps_are_counted_and_made():
    history = train(static(), data(), TrainingSpec(epochs=2, batch_size=5), InfoNCE(), 0).losses

    assert len(history) == steps_of(12, TrainingSpec(epochs=2, batch_size=5)) == 6


def test_training_lowers_the_loss():
    history = train(static(), data(), TrainingSpec(epochs=20, batch_size=12, learning_rate=0.02), InfoNCE(), 0).losses

    assert np.mean(history[-3:]) < 0.5 * history[0]


def test_a_loss_that_is_not_finite_stops_the_training():
    model = static()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))

    with pytest.raises(NumericError, match="training loss is nan"):
        train(model, data(), FAST, InfoNCE(), 0)


def test_a_batch_numbers_its_documents():
    given = data(np.array([[13], [-1], [0]] * 4, dtype=np.int32))
    vectors = torch.nn.functional.normalize(torch.randn(36, 8, generator=torch.Generator().manual_seed(0)), dim=1)

    batch = module(static(), given).batch(vectors[:12], vectors[12:], labels(given).numpy())

    assert batch.document.tolist() == [*range(12), *([13, -1, 0] * 4)]


@pytest.mark.parametrize("low", [torch.bfloat16, torch.float32])
def test_cosines_keep_their_precision_under_autocast(low):
    vectors = torch.nn.functional.normalize(torch.randn(9, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    cosines = Cosines(vectors[:3], vectors[3:])
    expected = vectors[:3] @ vectors[3:].T

    with torch.autocast("cpu", dtype=low, enabled=low is torch.bfloat16):
        found = cosines.query_document

    assert torch.equal(found, expected)
