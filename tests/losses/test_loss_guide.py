import doctest
from pathlib import Path

import pytest

from harness.registry import LOSSES

GUIDE = Path(__file__).parents[2] / "docs" / "losses.md"


@pytest.fixture(autouse=True)
def entries(monkeypatch):
    monkeypatch.setattr(LOSSES, "_entries", {name: LOSSES[name] for name in LOSSES.names()})


def test_the_examples_of_the_guide_run_and_train_a_loss_of_one_s_own():
    failed, tried = doctest.testfile(str(GUIDE), module_relative=False, optionflags=doctest.ELLIPSIS)

    assert (failed, tried > 0) == (0, True)
    assert "hinge" in LOSSES


def test_the_table_of_the_guide_has_every_loss():
    rows = GUIDE.read_text(encoding="utf-8").splitlines()

    assert [name for name in LOSSES.names() if not any(row.startswith(f"| `{name}` |") for row in rows)] == []
