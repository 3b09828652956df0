"""Kinds of trainings that do more than plain steps: by two processes as by one.

The two processes are started once and kept for all that follow.
"""

import os
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

import pytest
import torch

from harness.losses.info_nce import InfoNCE
from harness.pipeline import run
from harness.ranks import ALONE, Ranks
from harness.spec import EarlyStoppingSpec, RunSpec, TrainingSpec
from harness.store import Store
from harness.teachers.base import Workspace
from harness.training.bases import Encoder
from harness.training.checkpoints import Checkpoints
from harness.training.contrast import Contrast
from harness.training.trainer import train
from harness.training.within_memory import train_within_memory
from tests.training.refreshed import BM25, part, run_spec
from tests.training.toy import QUERIES, data, static

TWO = Ranks(2)
TOP = part("topk", k=2)


@pytest.fixture(autouse=True)
def _one_thread_each():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # several for each of two processes keep each other waiting
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Workspace:
    return Workspace(Store(tmp_path_factory.mktemp("store")))


def trained(spec: RunSpec, **settings: object) -> RunSpec:
    """Return the spec with other settings of its training: two epochs of three steps."""
    training = spec.arm.training.model_copy(update={"epochs": 2, **settings})
    return spec.model_copy(update={"arm": spec.arm.model_copy(update={"training": training})})


KINDS = {
    "ance": ({"refresh": part("ance", every=2)}, {}),
    "conan": ({"refresh": part("conan", every=2, skip=2)}, {}),
    "ngame": ({"batching": part("ngame", grow_at=[1])}, {}),
    "topics": ({"batching": part("topics", cluster_size=8)}, {}),
    "redraw": ({}, {"miner": part("random", k=2), "redraw": True}),
    "early stopping": ({"early_stopping": EarlyStoppingSpec(every=2, patience=1)}, {}),
    "gist": ({"loss": part("gist")}, {}),
    "self_guided": ({"loss": part("self_guided")}, {}),
    "margin_mse": ({"loss": part("margin_mse", score_scale=5.0)}, {}),
}
"""Settings of the training, and of the mining."""


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_end_a_run_as_one_does(work, plain_encoder_folder, kind):
    training, mining = KINDS[kind]
    teacher = part("sentence_transformer", path=str(plain_encoder_folder))
    guides = {"gist": (teacher,), "margin_mse": (BM25, teacher)}.get(kind, ())
    spec = trained(run_spec(None, **{"miner": TOP} | mining), guides=guides, **training)

    expected, *_ = run(spec, work)
    found, *_ = run(spec, replace(work, ranks=TWO))

    assert found.processes == 2
    assert len(expected.losses) >= 4
    assert found.losses == pytest.approx(expected.losses, abs=1e-5)
    assert found.metrics["test"] == pytest.approx(expected.metrics["test"], abs=1e-4)
    assert found.stopping == expected.stopping
    if expected.refresh is not None:
        assert sum(expected.refresh.replaced) > 0
        assert found.refresh.replaced == expected.refresh.replaced
    if expected.batching is not None:
        assert found.batching.model_copy(update={"seconds": 0.0}) == expected.batching.model_copy(
            update={"seconds": 0.0}
        )


@pytest.mark.skipif(find_spec("peft") is None, reason="needs the extra lora")
def test_two_processes_train_the_adapter_that_one_trains(plain_encoder_folder):
    settings = {"lora_rank": 2, "lora_dropout": 0.0, "lora_targets": ("query", "value")}
    base = Encoder(path=str(plain_encoder_folder), query_prompt="query: ", **settings)
    alone, together = (base.load(max_length=16, texts=()) for _ in range(2))
    spec = TrainingSpec(epochs=2, batch_size=5, learning_rate=0.05)

    expected = train(alone, data(2), spec, InfoNCE(), 0)
    found = train(together, data(2), spec, InfoNCE(), 0, ranks=TWO)

    assert found.losses == pytest.approx(expected.losses, abs=1e-5)
    assert together.encode(QUERIES) == pytest.approx(alone.encode(QUERIES), abs=1e-4)
    before = base.load(max_length=16, texts=()).encode(QUERIES)
    assert abs(before - alone.encode(QUERIES)).max() > 0.01


class Full:
    """Fails as a full memory does where one of the two embeds more than `most` texts at once.

    A hook that travels with the model to the other process.
    """

    def __init__(self, *, in_first: bool, most: int) -> None:
        self.first, self.in_first, self.most = os.getpid(), in_first, most

    def __call__(self, model, inputs, outputs) -> None:
        del inputs
        here = (os.getpid() == self.first) == self.in_first
        if here and model.training and len(outputs["sentence_embedding"]) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.mark.parametrize("in_first", [True, False])
def test_memory_that_runs_out_in_either_process_halves_what_both_embed_at_once(plain_encoder_folder, in_first):
    def make(*hooks):
        model = Encoder(path=str(plain_encoder_folder)).load(max_length=16, texts=())
        for hook in hooks:
            model.register_forward_hook(hook)
        return model

    spec = TrainingSpec(epochs=2, batch_size=6)
    hook = Full(in_first=in_first, most=2)

    def attempt(fresh, ranks):
        return train_within_memory(fresh(), fresh, data(), training=spec, loss=InfoNCE(), seed=0, ranks=ranks)

    _, expected, none = attempt(make, ALONE)
    _, found, retry = attempt(partial(make, hook), TWO)

    assert none is None
    assert (retry.step, retry.micro_batch, retry.retried_with) == (0, 3, 1)
    assert found.losses == pytest.approx(expected.losses, abs=1e-5)


class CutOffError(Exception):
    """Stands for whatever ends the first process."""


def test_early_stopping_by_two_processes_goes_on_from_a_checkpoint(tmp_path, monkeypatch):
    stopping = EarlyStoppingSpec(every=2, patience=2)
    spec = TrainingSpec(epochs=3, batch_size=5, learning_rate=0.01, early_stopping=stopping)
    checkpoints = Checkpoints(tmp_path / "checkpoints", minutes=0)
    curve = {2: 0.5, 4: 0.4, 6: 0.3}

    def look(*steps):
        left = list(steps)
        return lambda: {"ndcg_at_10": curve[left.pop(0)]}

    calls, of = iter(range(9)), Contrast.of

    def cut_off(self, columns, labels):
        if next(calls) == 5:
            raise CutOffError
        return of(self, columns, labels)

    expected = train(static(), data(), spec, InfoNCE(), 0, look=look(2, 4, 6))
    monkeypatch.setattr(Contrast, "of", cut_off)
    with pytest.raises(CutOffError):
        train(static(), data(), spec, InfoNCE(), 0, look=look(2, 4), checkpoints=checkpoints, ranks=TWO)
    monkeypatch.undo()
    resumed = train(static(), data(), spec, InfoNCE(), 0, look=look(6), checkpoints=checkpoints, ranks=TWO)

    assert resumed.losses == pytest.approx(expected.losses, abs=1e-5)
    assert (resumed.looks, resumed.best_step) == (expected.looks, 2)
