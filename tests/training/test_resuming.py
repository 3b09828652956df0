import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.errors import StorageError
from harness.losses.info_nce import InfoNCE
from harness.spec import EarlyStoppingSpec, TrainingSpec
from harness.training.bases import Encoder
from harness.training.checkpoints import Checkpoints
from harness.training.contrast import Contrast
from harness.training.data import Feed
from harness.training.random_states import random_states, set_random_states
from harness.training.trainer import train
from harness.training.weights import load_weights, trained_weights
from tests.training.toy import data, same, static, weights

THREE_EPOCHS = TrainingSpec(epochs=3, batch_size=5, learning_rate=0.01)
"""Nine steps of 5, 5 and 2 pairs, so that 3 and 6 are ends of epochs."""


class CutOffError(Exception):
    """Stands for whatever ends a process."""


def cut_off(monkeypatch, after):
    """Have the loss of the step that follows `after` steps end the training."""
    calls = iter(range(1000))
    of = Contrast.of

    def broken(self, columns, labels):
        if next(calls) == after:
            raise CutOffError
        return of(self, columns, labels)

    monkeypatch.setattr(Contrast, "of", broken)


def interrupted(monkeypatch, given, *, spec=THREE_EPOCHS, checkpoints, after, **more):
    with monkeypatch.context() as patch:
        cut_off(patch, after)
        with pytest.raises(CutOffError):
            train(static(), given, spec, InfoNCE(), 0, checkpoints=checkpoints, **more)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, encoder_folder):
    """A training of a student with dropout, and its checkpoints after every step."""
    model, checkpoints = encoder(encoder_folder), Checkpoints(tmp_path_factory.mktemp("all"), minutes=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.training.checkpoints._KEPT", 100)
        trained = train(model, data(), THREE_EPOCHS, InfoNCE(), 0, checkpoints=checkpoints)
    return trained, weights(model), checkpoints.folder


def encoder(folder):
    return Encoder(path=str(folder)).load(max_length=16, texts=())


@pytest.mark.parametrize("after", [1, 3, 5, 8])
def test_a_resumed_training_is_the_uninterrupted_one_bit_by_bit(tmp_path, undisturbed, encoder_folder, after):
    trained, expected, folder = undisturbed
    shutil.copytree(folder / f"step-{after:09}", tmp_path / f"step-{after:09}")
    torch.manual_seed(99)  # what another process would have
    random.seed(99)

    model = encoder(encoder_folder)
    resumed = train(model, data(), THREE_EPOCHS, InfoNCE(), 0, checkpoints=Checkpoints(tmp_path))

    assert resumed.losses == trained.losses
    assert len(resumed.losses) == 9
    assert same(weights(model), expected)


def test_writing_checkpoints_changes_no_number(undisturbed, encoder_folder):
    model = encoder(encoder_folder)

    plain = train(model, data(), THREE_EPOCHS, InfoNCE(), 0)

    assert plain.losses == undisturbed[0].losses
    assert same(weights(model), undisturbed[1])


def test_a_torn_newest_checkpoint_costs_a_step_and_nothing_else(tmp_path, monkeypatch):
    undisturbed = train(static(), data(), THREE_EPOCHS, InfoNCE(), 0)
    checkpoints = Checkpoints(tmp_path / "checkpoints", minutes=0)
    interrupted(monkeypatch, data(), checkpoints=checkpoints, after=5)
    (checkpoints.newest() / "state.safetensors").write_bytes(b"torn")

    resumed = train(static(), data(), THREE_EPOCHS, InfoNCE(), 0, checkpoints=checkpoints)

    assert resumed.losses == undisturbed.losses


def test_no_pickle_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "save", lambda *_, **__: pytest.fail("pickled"))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("unpickled"))
    checkpoints = Checkpoints(tmp_path / "checkpoints", minutes=0)
    interrupted(monkeypatch, data(), checkpoints=checkpoints, after=2)

    train(static(), data(), THREE_EPOCHS, InfoNCE(), 0, checkpoints=checkpoints)

    assert {path.suffix for path in checkpoints.folder.rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_a_training_shorter_than_the_minutes_writes_none(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", minutes=5)

    train(static(), data(), THREE_EPOCHS, InfoNCE(), 0, checkpoints=checkpoints)

    assert not checkpoints.folder.exists()


def test_the_last_step_needs_no_checkpoint(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", minutes=0)

    train(static(), data(), THREE_EPOCHS, InfoNCE(), 0, checkpoints=checkpoints)

    assert checkpoints.newest().name == "step-000000008"


@pytest.mark.parametrize("after", [4, 6])
def test_negatives_of_each_epoch_are_those_of_that_epoch_after_resuming(tmp_path, monkeypatch, after):
    epochs = np.stack([np.roll(data().negative, shift, axis=0) for shift in range(3)])
    given = replace(data(), negative=epochs)
    undisturbed = train(static(), given, THREE_EPOCHS, InfoNCE(), 0)
    checkpoints = Checkpoints(tmp_path / "checkpoints", minutes=0)
    interrupted(monkeypatch, given, checkpoints=checkpoints, after=after)

    resumed = train(static(), given, THREE_EPOCHS, InfoNCE(), 0, checkpoints=checkpoints)

    assert resumed.losses == undisturbed.losses


@pytest.mark.parametrize("after", [4])
def test_early_stopping_goes_on_with_its_looks_and_its_best_weights(tmp_path, monkeypatch, after):
    spec = THREE_EPOCHS.model_copy(update={"early_stopping": EarlyStoppingSpec(every=2, patience=3)})
    curve = {2: 0.5, 4: 0.4, 6: 0.3, 8: 0.2, 9: 0.1}

    def look(seen):
        return lambda: {"ndcg_at_10": curve[seen.pop(0)]}

    whole, model = static(), static()
    undisturbed = train(whole, data(), spec, InfoNCE(), 0, look=look([2, 4, 6, 8, 9]))
    checkpoints = Checkpoints(tmp_path / "checkpoints", minutes=0)
    interrupted(monkeypatch, data(), spec=spec, checkpoints=checkpoints, after=after, look=look([2, 4, 6, 8, 9]))

    rest = [step for step in (2, 4, 6, 8, 9) if step > after]
    resumed = train(model, data(), spec, InfoNCE(), 0, checkpoints=checkpoints, look=look(rest))

    assert resumed == undisturbed
    assert resumed.best_step == 2
    assert same(weights(model), weights(whole))


def test_a_checkpoint_waits_until_a_batch_has_the_negatives_that_were_put_in():
    feed = Feed(data())
    assert feed.settled

    feed.replace(data().negative[::-1].copy())
    waiting = feed.settled
    feed.rows([0, 1])

    assert (waiting, feed.settled) == (False, True)


def test_a_feed_remembers_what_was_put_in():
    feed, other = Feed(data()), Feed(data())
    feed.replace(data().negative[::-1].copy())

    other.recall(feed.remember())

    assert np.array_equal(other.negatives, data().negative[::-1])


def test_random_states_are_put_back():
    states = random_states()
    first = [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002, S311  # the global ones

    set_random_states(states)

    assert first == [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002, S311  # likewise


def test_weights_of_another_model_are_refused(plain_encoder_folder):
    other = Encoder(path=str(plain_encoder_folder)).load(max_length=16, texts=())

    with pytest.raises(StorageError, match="not this model's"):
        load_weights(static(), trained_weights(other))
    with pytest.raises(StorageError, match=r"not this model's: they differ in 0\.embedding\.weight"):
        load_weights(static(), {})
    with pytest.raises(StorageError, match="not this model's"):
        load_weights(static(), {"0.embedding.weight": torch.zeros(2, 2)})
