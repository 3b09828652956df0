"""What `winnow list` shows."""

import dataclasses
import json
from typing import Annotated, Literal

import pytest
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.describe import KINDS, Listed, ListedParameter, listing, render
from harness.errors import ConfigError
from harness.recipes import RECIPES
from harness.registry import REGISTRIES, Registry
from harness.spec import STRICT


@pytest.fixture(autouse=True)
def miners(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry("miner", "harness.none")
    registry._loaded = True
    monkeypatch.setitem(REGISTRIES, "miners", registry)

    @registry.register("window", paper="arXiv:0000.00000")
    @dataclass(config=STRICT, kw_only=True)
    class Window:
        """Take what lies in a window of ranks, which is a sentence long enough to be broken in two."""

        path: str
        share: Annotated[float, Interval(ge=0.5, le=1.0)] = 0.95
        mode: Literal["first", "last"] = "first"
        limit: int | None = None
        label: str = ""

    @registry.register("bare")
    @dataclass(config=STRICT, kw_only=True)
    class Bare:
        """Do nothing."""


def test_a_listing_holds_every_parameter_with_its_range() -> None:
    bare, window = listing("miners")

    assert bare == Listed("bare", "Do nothing.", "", (), {})
    assert window.parameters[1] == ListedParameter(
        "share", "a number in [0.5, 1.0]", required=False, default=0.95, low=0.5, high=1.0, choices=()
    )
    assert window.parameters[2].choices == ("first", "last")
    assert [parameter.required for parameter in window.parameters] == [True, False, False, False, False]


def test_a_listing_is_rendered_as_plain_text() -> None:
    assert render(listing("miners"), 60).splitlines() == [
        "bare",
        "  Do nothing.",
        "",
        "window",
        "  Take what lies in a window of ranks, which is a sentence",
        "  long enough to be broken in two.",
        "  Paper: arXiv:0000.00000",
        "    path   text; required",
        "    share  a number in [0.5, 1.0]; default 0.95",
        "    mode   one of first, last; default first",
        "    limit  a whole number or null; default null",
        "    label  text; default ''",
    ]


def test_lines_that_continue_are_indented_and_names_stay_whole() -> None:
    rows = [Listed("x", "Score by all-MiniLM-L6-v2.", "", listing("miners")[1].parameters[1:2], {})]

    assert render(rows, 25).splitlines() == [
        "x",
        "  Score by",
        "  all-MiniLM-L6-v2.",
        "    share  a number in",
        "           [0.5, 1.0];",
        "           default 0.95",
    ]


def test_recipes_show_what_they_fix() -> None:
    text = render([row for row in listing("recipes") if row.name == "nv_retriever"])

    assert "Paper: arXiv:2407.15831" in text
    assert "    miner: {name: topk_percpos, share: 0.95}" in text


@pytest.mark.parametrize("kind", ["miners", "recipes"])
def test_a_listing_is_json_and_fits_the_width(kind: str) -> None:
    rows = listing(kind)

    assert json.loads(json.dumps([dataclasses.asdict(row) for row in rows]))[0]["name"] == rows[0].name
    assert max(map(len, render(rows, 70).splitlines())) <= 70


def test_recipes_are_listed_by_name() -> None:
    assert [row.name for row in listing("recipes")] == sorted(RECIPES)


def test_an_unknown_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown kind 'minerz'; did you mean 'miners'\?"):
        listing("minerz")
    assert "recipes" in KINDS


def test_what_goes_around_a_miner_is_listed_with_its_ranges() -> None:
    rows = {row.name: {parameter.name: parameter for parameter in row.parameters} for row in listing("parts")}

    assert list(rows) == ["confirm", "mix", "repair", "repair.suspect"]
    assert rows["confirm"]["teacher"].allowed == "a name, or a mapping with a name"
    assert rows["repair"]["suspect"].allowed == "a mapping or truth"
    assert (rows["repair"]["cap"].low, rows["repair"]["cap"].high, rows["repair"]["cap"].default) == (0, 1000, 8)
