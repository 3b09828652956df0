"""What the digest of a training depends on, and what not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from test_shared_training import BM25, DATASET, TRAINING, TWIN, spec

from harness import pipeline
from harness.collection import Collection
from harness.environment import environment
from harness.shared_training import training_digest
from harness.sources.kept import load_collection
from harness.spec import Component, EarlyStoppingSpec, RunSpec
from harness.store import Store
from harness.teachers.base import Workspace
from harness.training.data import TrainingData


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Workspace:
    return Workspace(Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def collection(work) -> Collection:
    return load_collection(DATASET, work.store)


def digest_of(chosen: RunSpec, work: Workspace, collection: Collection) -> str:
    mined = pipeline.mine(chosen, collection, work)
    return training_digest(chosen, collection, pipeline._training_data(chosen, collection, mined, work), environment())


def trained(**changes: object) -> RunSpec:
    return spec(training=TRAINING.model_copy(update=changes))


def based(**changes: object) -> RunSpec:
    return spec(arm=spec().arm.model_copy(update=changes))


RENEWED = Component(name="ance", params={"every": 1})
DIFFERENT = {
    "negatives": spec("random"),
    "seed": spec(seed=1),
    "loss": trained(loss=Component(name="info_nce", params={"temperature": 0.1})),
    "learning rate": trained(learning_rate=1e-3),
    "known positives masked": trained(mask_known_positives=True),
    "early stopping": trained(early_stopping=EarlyStoppingSpec(every=1)),
    "base": based(base=Component(name="static", params={"dimensions": 64})),
    "length": based(max_length=16),
    "own documents": spec(drop_own="never"),
    "further sets": spec(evaluate=(DATASET,)),
    "base's content": spec(identities={"base": "other"}),
    "dataset's content": spec(identities={"dataset": "other"}),
    "further set's content": spec(identities={"evaluate[0]": "other"}),
    "guide's content": spec(identities={"guides[0]": "other"}),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_trainings_that_differ_in_anything_are_not_shared(work, collection, what):
    assert digest_of(DIFFERENT[what], work, collection) != digest_of(spec(), work, collection)


SAME = {
    "shortage": TWIN,
    "name": based(name="another"),
    "content of the teacher that mines": spec(identities={"teacher": "other"}),
    "pairs that are dropped from all, if none is": spec(
        equal_with=(TWIN.arm.mining,), identities={"equal_with[0].teacher": "other"}
    ),
}


@pytest.mark.parametrize("what", SAME)
def test_how_the_same_negatives_were_chosen_makes_no_difference(work, collection, what):
    assert digest_of(SAME[what], work, collection) == digest_of(spec(), work, collection)


def test_a_mining_that_is_asked_again_in_training_makes_a_difference(work, collection):
    renewed = [
        each.model_copy(
            update={"arm": each.arm.model_copy(update={"training": TRAINING.model_copy(update={"refresh": RENEWED})})}
        )
        for each in (spec(), TWIN)
    ]

    first, second = (digest_of(each, work, collection) for each in renewed)

    assert first != second


class Guide:
    """Stands in for a teacher that guides."""


def test_a_guide_that_comes_from_the_mining_counts_as_if_it_were_named(collection):
    named = spec(training=TRAINING.model_copy(update={"guides": (BM25,)}), identities={"guides[0]": "content"})
    mined, other = (spec(identities={"teacher": content}) for content in ("content", "changed"))
    one = np.zeros(1, dtype=np.int32)
    guided = TrainingData(["q"], ["d"], one, one, np.zeros((1, 1), dtype=np.int32), guides=(Guide(),))

    digests = [training_digest(each, collection, guided, environment()) for each in (named, mined, other)]

    assert digests[0] == digests[1] != digests[2]


def arrays() -> TrainingData:
    column = np.arange(3, dtype=np.int32)
    negative = np.array([[3, 4], [4, 5], [5, -1]], dtype=np.int32)
    weight = np.ones((3, 2), dtype=np.float32)
    return TrainingData(["q"] * 3, ["d"] * 6, column, column, negative, weight, known=np.stack([column, column]))


CHANGED: dict[str, Callable[[TrainingData], dict[str, object]]] = {
    "another order": lambda data: {
        name: getattr(data, name)[[1, 0, 2]] for name in ("query", "positive", "negative", "weight")
    },
    "a relabelled pair": lambda data: {"positive": np.array([0, 1, 5], dtype=np.int32)},
    "another query": lambda data: {"query": np.array([0, 1, 1], dtype=np.int32)},
    "another negative": lambda data: {"negative": data.negative + 1},
    "padding elsewhere": lambda data: {"negative": np.where(data.negative == 3, -1, data.negative)},
    "negatives of another epoch": lambda data: {"negative": np.stack([data.negative, data.negative + 1])},
    "another shape": lambda data: {"negative": data.negative.reshape(2, 3)},
    "another weight": lambda data: {"weight": data.weight * np.float32(0.5)},
    "no weights": lambda data: {"weight": None},
    "another pace": lambda data: {"pace": 4},
    "another known pair": lambda data: {"known": data.known + 1},
    "no known pairs": lambda data: {"known": None},
}


@pytest.mark.parametrize("what", CHANGED)
def test_every_array_that_is_trained_on_counts(collection, what):
    data = arrays()

    before, after = (
        training_digest(spec(), collection, each, environment())
        for each in (data, replace(data, **CHANGED[what](data)))
    )

    assert before != after


def test_judgements_and_surroundings_count(collection):
    rows = collection.split("dev")
    fewer = replace(rows, **{name: getattr(rows, name)[1:] for name in ("query", "document", "grade", "hidden")})
    shrunk = replace(collection, splits={**collection.splits, "dev": fewer})
    elsewhere = environment().model_copy(update={"threads": environment().threads + 1})

    digests = {
        training_digest(spec(), which, arrays(), where)
        for which, where in ((collection, environment()), (shrunk, environment()), (collection, elsewhere))
    }

    assert len(digests) == 3


def test_how_many_processes_train_together_counts(collection):
    digests = {training_digest(spec(), collection, arrays(), environment(), count) for count in (1, 2, 3)}

    assert len(digests) == 3
