import numpy as np
import pytest

from harness.collection import Collection, Judgements
from harness.pairs import mine
from harness.pipeline import _known, _training_data, run
from harness.spec import ArmSpec, Component, RunSpec, TrainingSpec
from harness.store import Store
from harness.teachers.base import Workspace

TRAINING = TrainingSpec(epochs=1, batch_size=4, mask_known_positives=True)


def judgements(rows: list[tuple[int, int, bool]]) -> Judgements:
    query, document, hidden = zip(*rows, strict=True)
    return Judgements(
        query=np.array(query, dtype=np.int32),
        document=np.array(document, dtype=np.int32),
        grade=np.ones(len(rows), dtype=np.int32),
        hidden=np.array(hidden),
    )


@pytest.fixture
def collection() -> Collection:
    """Query 0 has two labelled positives and a hidden one; document 3 repeats document 0, 4 repeats query 1."""
    texts = ("red apples", "green apples", "apple pie", "Red  apples", "a pear tree", "plums")
    train = judgements([(0, 0, False), (0, 1, False), (0, 2, True), (1, 5, False)])
    test = judgements([(2, 4, False)])
    queries = ("apples", "a pear tree", "pears")
    return Collection("toy", tuple("abcdef"), texts, ("x", "y", "z"), queries, {"train": train, "test": test})


def spec(training: TrainingSpec) -> RunSpec:
    arm = ArmSpec(name="arm", base=Component(name="static"), max_length=16, training=training)
    return RunSpec(arm=arm, dataset=Component(name="toy"), seed=0, identities={})


def test_known_are_the_labelled_and_what_has_their_text_or_the_query_s_and_no_hidden_positive(collection, tmp_path):
    work = Workspace(Store(tmp_path))

    known = _known(collection, mine(spec(TRAINING), collection, work))

    assert sorted(set(zip(*known.tolist(), strict=True))) == [(0, 0), (0, 1), (0, 3), (1, 4), (1, 5)]


def test_known_positives_reach_the_training_only_when_they_are_asked_for(collection, tmp_path):
    work = Workspace(Store(tmp_path))
    mined = mine(spec(TRAINING), collection, work)

    masked = _training_data(spec(TRAINING), collection, mined, work)
    plain = _training_data(spec(TrainingSpec(epochs=1, batch_size=4)), collection, mined, work)

    assert masked.known is not None
    assert plain.known is None
    assert masked.guides == plain.guides == ()


def test_masking_spares_the_other_positive_of_a_query_in_the_batch(collection, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.pipeline.load_collection", lambda dataset, store: collection)
    work = Workspace(Store(tmp_path))

    plain, masked = (
        run(spec(TrainingSpec(epochs=1, batch_size=4, mask_known_positives=mask)), work)[0] for mask in (False, True)
    )

    assert masked.losses[0] < plain.losses[0]
    assert masked.fingerprint != plain.fingerprint
