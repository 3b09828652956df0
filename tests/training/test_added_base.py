"""The example of docs/training.md is carried out as it stands there."""

import re
from pathlib import Path

import pytest

from harness.losses.info_nce import InfoNCE
from harness.registry import BASES
from harness.spec import TrainingSpec
from harness.training.trainer import train
from tests.training.toy import data, same, weights

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


@pytest.fixture
def added(tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "random_static_example.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    BASES.names()
    monkeypatch.setattr(BASES, "_entries", dict(BASES._entries))
    __import__("random_static_example")
    return "random_static"


def test_the_documented_base_is_listed_loads_the_same_each_time_and_trains(added):
    base = BASES.create(added, {"dimension": 16})
    first, second = (base.load(max_length=16, texts=()) for _ in range(2))
    start = weights(second)

    assert added in BASES.names()
    assert same(weights(first), start)
    trained = train(first, data(), TrainingSpec(epochs=30, batch_size=12, learning_rate=0.1), InfoNCE(), 0)
    assert trained.losses[-1] < 0.7 * trained.losses[0]
    assert base.identity() != BASES.create(added, {}).identity()
