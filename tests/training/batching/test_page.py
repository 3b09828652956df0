import doctest
from pathlib import Path

from harness.registry import BATCHERS

PAGE = Path(__file__).parents[3] / "docs" / "batching.md"


def test_the_examples_of_the_page_on_batching_hold(monkeypatch):
    monkeypatch.setattr(BATCHERS, "_entries", {name: BATCHERS[name] for name in BATCHERS.names()})

    failed, tried = doctest.testfile(str(PAGE), module_relative=False)

    assert (failed, tried > 5) == (0, True)
    assert "by_query" in BATCHERS


def test_the_page_names_every_batcher():
    text = PAGE.read_text(encoding="utf-8")

    assert [name for name in BATCHERS.names() if f"| `{name}` |" not in text] == []
