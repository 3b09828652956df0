"""How an arm names its batching."""

import pytest
from test_arms import Write, arm, complaint

from harness.config import searchable, with_values
from harness.registry import BATCHERS
from harness.spec import Component


def named(batching: str) -> str:
    return f"{{name: a, miner: topk, training: {{batching: {batching}}}}}"


@pytest.mark.parametrize("batching", ["random", "none", "null", "{name: random}"])
def test_random_batching_is_the_same_as_naming_none(write: Write, batching: str) -> None:
    assert arm(write, named(batching)).training == arm(write, "{name: a, miner: topk}").training


@pytest.mark.parametrize("name", [name for name in BATCHERS.names() if name != "random"])
def test_every_batcher_can_be_named_and_changes_what_the_arm_is(write: Write, name: str) -> None:
    training = arm(write, named(name)).training

    assert training is not None
    assert training.batching is not None
    assert training.batching.name == name
    assert "batching" in training.model_dump()


def test_parameters_are_checked_and_written_out(write: Write) -> None:
    training = arm(write, named("{name: ngame, grow_at: [2, 3]}")).training

    assert training is not None
    params = {"grow_at": [2, 3], "factor": 8, "refresh_interval": 1, "by": "queries"}
    assert training.batching == Component(name="ngame", params=params)


@pytest.mark.parametrize(
    ("batching", "expected"),
    [
        ("topic", "training.batching is an unknown batcher 'topic'; did you mean 'topics'?"),
        ("{name: topics, cluster_size: 1}", "training.batching.cluster_size must be in [2, 100000], got 1"),
        ("{name: ngame, grow_at: [0]}", "training.batching.grow_at[0] must be in [1, 1000], got 0"),
        ("{name: no_duplicates, size: 3}", "training.batching.size is an unknown parameter (allowed: none)"),
    ],
)
def test_what_a_batching_may_not_say(write: Write, batching: str, expected: str) -> None:
    (found,) = complaint(write, named(batching))

    assert expected in found


def test_numbers_of_a_batcher_can_be_searched(write: Write) -> None:
    topics = arm(write, named("topics"))

    changed = with_values(topics, {"training.batching.cluster_size": 50})

    assert "training.batching.cluster_size" in searchable(topics)
    assert changed.training is not None
    assert changed.training.batching == Component(name="topics", params={"cluster_size": 50})
