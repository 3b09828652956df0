"""Trainings by several processes of this machine, without GPUs; each costs the start of its processes."""

import os
import signal
import subprocess
import time

import pytest
import torch

from harness.errors import ConfigError, WorkerDiedError
from harness.losses.info_nce import InfoNCE
from harness.ranks import Ranks
from harness.spec import Component, TrainingSpec
from harness.training import crew
from harness.training.bases import Encoder
from harness.training.checkpoints import Checkpoints
from harness.training.trainer import train
from tests.training.toy import DOCUMENTS, QUERIES, data, static, weights

SPEC = TrainingSpec(epochs=2, batch_size=5)


def encoder(folder):
    return Encoder(path=str(folder)).load(max_length=16, texts=())


def test_two_processes_train_what_one_trains_and_one_goes_on_from_their_checkpoint(plain_encoder_folder, tmp_path):
    spec = SPEC.model_copy(update={"micro_batch": 2})
    checkpoints = Checkpoints(tmp_path / "checkpoints", minutes=0)
    alone, together, later = (encoder(plain_encoder_folder) for _ in range(3))

    expected = train(alone, data(2), spec, InfoNCE(), 0)
    found = train(together, data(2), spec, InfoNCE(), 0, ranks=Ranks(2), checkpoints=checkpoints)
    continued = train(later, data(2), spec, InfoNCE(), 0, checkpoints=checkpoints)

    assert len(expected.losses) == 6
    assert found.losses == pytest.approx(expected.losses, abs=1e-5)
    assert continued.losses == pytest.approx(expected.losses, abs=1e-5)
    assert found.trace.positive == pytest.approx(expected.trace.positive, abs=1e-5)
    texts = [*QUERIES, *DOCUMENTS]
    assert together.encode(texts) == pytest.approx(alone.encode(texts), abs=1e-4)
    assert not torch.distributed.is_initialized()


def test_with_dropout_a_training_that_was_cut_off_ends_with_the_same_losses(encoder_folder, tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", minutes=0)
    spec = TrainingSpec(epochs=1, batch_size=4)

    first, second = (
        train(encoder(encoder_folder), data(), spec, InfoNCE(), 0, ranks=Ranks(2), checkpoints=checkpoints)
        for _ in range(2)
    )

    assert checkpoints.newest().name == "step-000000002"
    assert first.losses == second.losses


def test_the_processes_of_one_training_help_with_the_next_and_one_that_died_meanwhile_is_replaced():
    expected = train(static(), data(2), SPEC, InfoNCE(), 0).losses
    found, served = [], []

    for killed in (False, True, False):
        if killed:
            served[-1][0].kill()
            served[-1][0].wait()
        found.append(train(static(), data(2), SPEC, InfoNCE(), 0, ranks=Ranks(2)).losses)
        served.append(crew._waiting[0].processes)

    assert [losses == pytest.approx(expected, abs=1e-5) for losses in found] == [True] * 3
    assert served[0] is not served[1]
    assert served[1] is served[2]
    assert [process.poll() is None for process in served[0] + served[1]] == [False, True]
    crew.dismiss()
    assert [process.poll() is None for process in served[1]] == [False]
    assert crew._waiting == []


def test_a_batch_smaller_than_the_number_of_processes_leaves_some_without_a_share():
    alone, together = static(), static()

    expected = train(alone, data(2), SPEC, InfoNCE(), 0)
    found = train(together, data(2), SPEC, InfoNCE(), 0, ranks=Ranks(3))

    assert found.losses == pytest.approx(expected.losses, abs=1e-5)
    for name, tensor in weights(alone).items():
        assert torch.allclose(weights(together)[name], tensor, atol=1e-5), name


def test_a_training_ends_with_a_process_that_is_killed_and_leaves_none_behind(monkeypatch):
    started = []

    class Spied(subprocess.Popen):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            started.append(self)

    crew.dismiss()
    monkeypatch.setattr(crew.subprocess, "Popen", Spied)

    class Killing(InfoNCE):
        def __call__(self, batch):
            os.kill(started[0].pid, signal.SIGKILL)
            self.__dict__["since"] = time.monotonic()
            return super().__call__(batch)

    loss = Killing()
    with pytest.raises(WorkerDiedError, match="process 1 of the training's 3 ended with code -9"):
        train(static(), data(), SPEC, loss, 0, ranks=Ranks(3))

    assert time.monotonic() - loss.since < 20
    assert [process.poll() for process in started] == [-9, -9]
    assert not torch.distributed.is_initialized()


def test_processes_of_another_number_or_with_other_gpus_take_the_place_of_those_that_wait(monkeypatch):
    class Slept(subprocess.Popen):
        def __init__(self, command, *, env, pass_fds):
            super().__init__(["/bin/sleep", "60"], env=env, pass_fds=pass_fds)
            self.device = env.get("CUDA_VISIBLE_DEVICES")

    crew.dismiss()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(crew.subprocess, "Popen", Slept)
    seen = []
    for ranks in (Ranks(3, ("4", "5")), Ranks(3, ("4", "5")), Ranks(3, ("6", "7")), Ranks(2), Ranks(1)):
        crew.summon(ranks)
        seen.append(list(crew._waiting))

    assert [[process.device for process in found[0].processes] for found in seen[:4]] == [
        ["4", "5"],
        ["4", "5"],
        ["6", "7"],
        ["0"],
    ]
    assert seen[0][0] is seen[1][0]
    assert seen[4] == seen[3]
    assert [found[0].whole for found in seen] == [False, False, False, True, True]
    crew.dismiss()
    assert not seen[3][0].whole


def test_a_refresh_that_searches_in_every_step_is_refused():
    spec = SPEC.model_copy(update={"refresh": Component(name="adore", params={})})

    with pytest.raises(ConfigError, match="one process only"):
        train(static(), data(), spec, InfoNCE(), 0, ranks=Ranks(2))
