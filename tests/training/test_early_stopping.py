from typing import ClassVar

import pytest
import torch

from harness.errors import DataError
from harness.losses.info_nce import InfoNCE
from harness.spec import EarlyStoppingSpec, TrainingSpec
from harness.training.bases import Encoder
from harness.training.trainer import train
from tests.training.toy import data, same, static, weights

PLAIN = TrainingSpec(epochs=4, batch_size=4, learning_rate=0.05)


def stopping(every=2, patience=2, metric="ndcg_at_10"):
    settings = EarlyStoppingSpec(every=every, patience=patience, metric=metric)
    return PLAIN.model_copy(update={"early_stopping": settings})


class Curve:
    """Gives one value after another, and notes the weights that it was asked about."""

    def __init__(self, model, values):
        self._model, self._values = model, list(values)
        self.weights = []

    def __call__(self):
        torch.rand(1)
        self._model.eval()
        self.weights.append(weights(self._model))
        return {"ndcg_at_10": self._values.pop(0), "mrr_at_10": -float(len(self.weights))}


def test_it_stops_when_patience_has_run_out_and_goes_back_to_the_best():
    model = static()
    curve = Curve(model, [0.1, 0.3, 0.3, 0.2, 0.9])

    trained = train(model, data(), stopping(), InfoNCE(), 0, look=curve)

    assert trained.looks == ((2, 0.1), (4, 0.3), (6, 0.3), (8, 0.2))
    assert trained.best_step == 4
    assert len(trained.losses) == 8
    assert same(weights(model), curve.weights[1])
    assert not same(weights(model), curve.weights[2])


def test_a_rise_renews_the_patience_and_the_last_step_is_looked_at():
    model = static()
    curve = Curve(model, [0.1, 0.0, 0.2])

    trained = train(model, data(), stopping(every=5), InfoNCE(), 0, look=curve)

    assert trained.looks == ((5, 0.1), (10, 0.0), (12, 0.2))
    assert trained.best_step == 12
    assert len(trained.losses) == 12


def test_the_metric_that_is_asked_for_decides():
    model = static()

    trained = train(model, data(), stopping(metric="mrr_at_10"), InfoNCE(), 0, look=Curve(model, range(9)))

    assert trained.looks == ((2, -1.0), (4, -2.0), (6, -3.0))
    assert trained.best_step == 2


def test_looking_changes_no_step(encoder_folder):
    model, other = (Encoder(path=str(encoder_folder)).load(max_length=16, texts=()) for _ in range(2))

    looked = train(model, data(), stopping(every=1, patience=9), InfoNCE(), 0, look=Curve(model, range(12)))
    plain = train(other, data(), PLAIN, InfoNCE(), 0)

    assert looked.losses == plain.losses
    assert same(weights(model), weights(other))
    assert plain.looks == ()
    assert plain.best_step is None


def test_a_loss_that_falls_for_ever_does_not_keep_it_going():
    class Bottomless(InfoNCE):
        bounded_below: ClassVar[bool] = False

        def __call__(self, batch):
            return super().__call__(batch) - 1e3 * batch.positive

    model = static()
    trained = train(model, data(), stopping(patience=1), Bottomless(), 0, look=Curve(model, [0.5, 0.5]))

    assert trained.looks == ((2, 0.5), (4, 0.5))
    assert trained.losses[-1] < trained.losses[0] < 0


def test_it_is_refused_without_a_look_at_dev():
    with pytest.raises(DataError, match="early_stopping needs a dev split"):
        train(static(), data(), stopping(), InfoNCE(), 0)
