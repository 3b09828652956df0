"""Whatever changes during a training goes on from a checkpoint as if nothing had happened."""

import shutil
from dataclasses import asdict

import pytest

from harness.losses.info_nce import InfoNCE
from harness.pairs import mine
from harness.pipeline import _training_data
from harness.sources.kept import load_collection
from harness.spec import Component, RunSpec
from harness.store import Store
from harness.teachers.base import Workspace
from harness.training.bases import Static
from harness.training.checkpoints import Checkpoints
from harness.training.trainer import Trained, train
from tests.training.refreshed import DATASET, STEPS, part, run_spec
from tests.training.toy import same, weights

TOPK = part("topk", k=2)
CHANGING = {
    "ance": ({"refresh": part("ance", every=3)}, TOPK),
    "conan": ({"refresh": part("conan", every=3, factor=1.0, ceiling=1.0, skip=0)}, TOPK),
    "adore": ({"refresh": part("adore", depth=20)}, None),
    "no_duplicates": ({"batching": Component(name="no_duplicates")}, TOPK),
    "ngame": ({"batching": part("ngame", grow_at=[1, 2], factor=4)}, TOPK),
    "topics": ({"batching": part("topics", cluster_size=6)}, TOPK),
    "redraw": ({}, part("random", k=2)),
}


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Workspace:
    return Workspace(Store(tmp_path_factory.mktemp("store")))


def changed(name: str) -> RunSpec:
    settings, miner = CHANGING[name]
    spec = run_spec(None, miner, **({"redraw": True} if name == "redraw" else {}))
    training = spec.arm.training.model_copy(update=settings)
    return spec.model_copy(update={"arm": spec.arm.model_copy(update={"training": training})})


def told(trained: Trained) -> tuple[object, ...]:
    """Return all that a training reports, but for the seconds that it took."""
    records = [each and each.model_dump(exclude={"seconds"}) for each in (trained.refresh, trained.batching)]
    return trained.losses, *records, {key: value.tolist() for key, value in asdict(trained.trace).items()}


@pytest.mark.parametrize("name", CHANGING)
def test_a_training_whose_negatives_or_batches_change_is_resumed_bit_by_bit(tmp_path, monkeypatch, work, name):
    spec = changed(name)
    collection = load_collection(DATASET, work.store)
    given = _training_data(spec, collection, mine(spec, collection, work), work)
    monkeypatch.setattr("harness.training.checkpoints._KEPT", 100)

    def trained(checkpoints):
        texts = (*collection.document_texts, *collection.query_texts)
        model = Static().load(max_length=32, texts=texts)
        return train(model, given, spec.arm.training, InfoNCE(), 0, checkpoints=checkpoints), weights(model)

    every = Checkpoints(tmp_path / "every", minutes=0)
    plain, (whole, expected) = trained(None), trained(every)
    steps = sorted(every.folder.iterdir())

    assert len(plain[0].losses) == STEPS
    assert plain[0].losses == whole.losses
    for step in (steps[len(steps) // 2], steps[-1]):
        shutil.copytree(step, tmp_path / step.name / step.name)
        resumed, found = trained(Checkpoints(tmp_path / step.name))

        assert str(told(resumed)) == str(told(whole))  # as text, in which NaN equals itself
        assert same(found, expected)
