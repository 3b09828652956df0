from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from harness.errors import NumericError
from harness.losses.info_nce import InfoNCE
from harness.spec import TrainingSpec
from harness.training.bases import Static
from harness.training.trainer import TrainingData, _loss_module, _Negatives, steps_of, train

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
    return _loss_module(model, InfoNCE(), _Negatives(given), given.weight)


def features(model: SentenceTransformer, given: TrainingData) -> list[dict[str, torch.Tensor]]:
    columns = [QUERIES, [DOCUMENTS[index] for index in given.positive]]
    columns += [["" if index < 0 else DOCUMENTS[index] for index in column] for column in given.negative.T]
    return [model.preprocess(column) for column in columns]


def test_without_padding_the_loss_and_its_gradient_are_those_of_sentence_transformers():
    given = data(np.arange(24, dtype=np.int32).reshape(12, 2)[::-1].copy())
    ours, theirs = static(), static()

    left = module(ours, given)(features(ours, given), torch.arange(12))
    right = MultipleNegativesRankingLoss(theirs, scale=20.0)(features(theirs, given), None)
    left.backward()
    right.backward()

    assert left.item() == pytest.approx(right.item(), abs=1e-6)
    weights = [next(model.parameters()).grad for model in (ours, theirs)]
    assert torch.allclose(*weights, atol=1e-6)


def test_a_padded_negative_takes_no_part_for_any_query():
    padded = np.full((12, 1), -1, dtype=np.int32)
    model = static()

    with_padding = module(model, data(padded))(features(model, data(padded)), torch.arange(12))
    in_batch = module(model, data(padded[:, :0]))(features(model, data(padded[:, :0])), torch.arange(12))

    assert with_padding.item() == pytest.approx(in_batch.item(), abs=1e-6)


def test_padding_follows_its_row_when_rows_are_shuffled():
    negative = np.where(np.arange(12) % 2, np.arange(12), -1).astype(np.int32).reshape(12, 1)
    model = static()
    contrast = module(model, data(negative))
    order = torch.tensor([3, 0, 5, 2])
    columns = [QUERIES, DOCUMENTS[:12], ["" if index < 0 else DOCUMENTS[index] for index in negative[:, 0]]]
    batch = [model.preprocess([column[row] for row in order]) for column in columns]

    shuffled = contrast(batch, order)
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

    loss = module(model, TrainingData(QUERIES, DOCUMENTS, index, index, negative, weight))(batch, order)

    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


def test_weights_of_one_train_the_same_model_and_others_do_not():
    weights = [None, np.ones((12, 1), dtype=np.float32), np.full((12, 1), 0.1, dtype=np.float32)]

    histories = [train(static(), replace(data(), weight=weight), FAST, InfoNCE(), 0) for weight in weights]

    assert histories[0] == histories[1] != histories[2]


def test_the_pace_sets_the_steps_whatever_pairs_there_are():
    history = train(static(), replace(data(), pace=5), FAST, InfoNCE(), 0)

    assert len(history) == steps_of(5, FAST) == 2


def test_every_epoch_trains_on_its_own_negatives(monkeypatch):
    epochs = np.stack([np.full((12, 1), 12 + epoch, dtype=np.int32) for epoch in range(3)])
    epochs[1, 4:] = -1
    seen = {epoch: [] for epoch in range(-1, 3)}
    columns = _Negatives.columns

    def recorded(self, rows):
        found = columns(self, rows)
        seen[self._epoch] += found["negative_0"]
        return found

    monkeypatch.setattr(_Negatives, "columns", recorded)
    train(static(), data(epochs), TrainingSpec(epochs=3, batch_size=12), InfoNCE(), 0)

    assert set(seen[-1]) == {DOCUMENTS[12]}  # the columns are laid out before the first epoch
    assert [Counter(seen[epoch]) for epoch in range(3)] == [
        {DOCUMENTS[12]: 12},
        {DOCUMENTS[13]: 4, "": 8},
        {DOCUMENTS[14]: 12},
    ]


def test_the_mask_follows_the_epoch():
    epochs = np.stack([np.full((12, 1), -1, dtype=np.int32), np.arange(12, 24, dtype=np.int32).reshape(12, 1)])
    given = data(epochs)
    negatives = _Negatives(given)
    model = static()
    contrast = _loss_module(model, InfoNCE(), negatives, None)
    batch = features(model, data(epochs[1]))

    losses = []
    for _ in range(2):
        negatives.next_epoch()
        losses.append(contrast(batch, torch.arange(12)).item())

    assert losses[1] == pytest.approx(module(model, data(epochs[1]))(batch, torch.arange(12)).item())
    assert losses[0] < losses[1]


def test_negatives_that_do_not_change_train_the_same_drawn_every_epoch_or_once():
    twice = TrainingSpec(epochs=2, batch_size=4)

    once, every = (
        train(static(), data(negative), twice, InfoNCE(), 0)
        for negative in (data().negative, np.stack([data().negative] * 2))
    )

    assert once == every


def test_the_same_seed_trains_the_same_weights_and_another_does_not():
    weights, losses = [], []
    for seed in (0, 0, 1):
        model = static()
        losses.append(train(model, data(), FAST, InfoNCE(), seed))
        weights.append(next(model.parameters()).detach().clone())

    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_steps_are_counted_and_made():
    history = train(static(), data(), TrainingSpec(epochs=2, batch_size=5), InfoNCE(), 0)

    assert len(history) == steps_of(12, TrainingSpec(epochs=2, batch_size=5)) == 6


def test_training_lowers_the_loss():
    history = train(static(), data(), TrainingSpec(epochs=20, batch_size=12, learning_rate=0.02), InfoNCE(), 0)

    assert np.mean(history[-3:]) < 0.5 * history[0]


def test_a_loss_that_is_not_finite_stops_the_training():
    model = static()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))

    with pytest.raises(NumericError, match="training loss is nan"):
        train(model, data(), FAST, InfoNCE(), 0)
