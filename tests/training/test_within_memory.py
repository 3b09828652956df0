import pytest
import torch

from harness.device_memory import device_memory
from harness.errors import DeviceMemoryError
from harness.losses.info_nce import InfoNCE
from harness.spec import TrainingSpec
from harness.teachers.dense import encode
from harness.training.bases import Encoder
from harness.training.checkpoints import Checkpoints
from harness.training.contrast import Contrast
from harness.training.within_memory import train_within_memory
from tests.training.toy import data, static

SPEC = TrainingSpec(epochs=2, batch_size=6)
FULL = "CUDA out of memory. Tried to allocate 2.00 GiB.\nmore lines"


def limited(monkeypatch, micro_batch, after=0):
    """Have a step fail if it embeds more than `micro_batch` texts at once, the first `after` steps excepted."""
    forward, steps = Contrast.forward, []

    def full(self, features, labels):
        features = list(features)
        steps.append(self.mini_batch_size or len(labels))
        if steps[-1] > micro_batch and len(steps) > after:
            raise torch.OutOfMemoryError(FULL)
        return forward(self, features, labels)

    monkeypatch.setattr(Contrast, "forward", full)
    return steps


def attempt(make, spec=SPEC, **more):
    return train_within_memory(make(), make, data(), training=spec, loss=InfoNCE(), seed=0, **more)


@pytest.fixture
def make(plain_encoder_folder):
    return lambda: Encoder(path=str(plain_encoder_folder)).load(max_length=16, texts=())


def test_a_training_that_does_not_fit_is_tried_once_more_with_half_the_micro_batch(make, monkeypatch):
    _, expected, none = attempt(make)
    steps = limited(monkeypatch, 3, after=2)

    model, trained, retry = attempt(make)

    assert none is None
    assert (retry.step, retry.micro_batch, retry.retried_with) == (2, 6, 3)
    assert "CUDA out of memory" in retry.message
    assert "more lines" not in retry.message
    assert steps == [6, 6, 6, 3, 3, 3, 3]
    assert trained.losses == pytest.approx(expected.losses, rel=1e-5)
    assert next(model.parameters()).isfinite().all()


def test_a_second_failure_ends_it_and_names_the_setting(make, monkeypatch):
    steps = limited(monkeypatch, 1)

    with pytest.raises(DeviceMemoryError, match=r"Set training\.micro_batch below 2") as raised:
        attempt(make, SPEC.model_copy(update={"micro_batch": 4}))

    assert steps == [4, 2]
    assert raised.value.exit_code == 12


def test_a_base_that_cannot_be_split_is_not_tried_again(monkeypatch):
    steps = limited(monkeypatch, 1)

    with pytest.raises(DeviceMemoryError, match=r"Lower training\.batch_size below 6"):
        attempt(static)

    assert steps == [6]


def test_the_retry_goes_on_from_the_newest_checkpoint(make, monkeypatch, tmp_path):
    _, expected, _ = attempt(make)
    steps = limited(monkeypatch, 3, after=3)

    _, trained, retry = attempt(make, checkpoints=Checkpoints(tmp_path / "checkpoints", minutes=0))

    assert retry.step == 3
    assert steps == [6, 6, 6, 6, 3]
    assert trained.losses == pytest.approx(expected.losses, rel=1e-5)


def test_other_errors_are_not_taken_for_it(make, monkeypatch):
    monkeypatch.setattr(Contrast, "forward", lambda *_: (_ for _ in ()).throw(RuntimeError("other")))

    with pytest.raises(RuntimeError, match="other"):
        attempt(make)


def test_encoding_that_does_not_fit_says_so():
    class Full:
        def encode(self, texts, **settings):
            raise torch.OutOfMemoryError(FULL)

    with pytest.raises(DeviceMemoryError, match="too small for embedding 32 texts at once: CUDA out of memory"):
        encode(Full(), ["a"])


def test_the_step_is_asked_for_when_it_happens():
    step = [0]

    def full():
        step[0] = 7
        raise torch.OutOfMemoryError

    with (
        pytest.raises(DeviceMemoryError, match=r"out of memory\. y") as raised,
        device_memory("x", "y", lambda: step[0]),
    ):
        full()

    assert raised.value.step == 7
