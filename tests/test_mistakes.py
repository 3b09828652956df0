"""Mistakes in words of our own."""

from typing import Annotated, Literal

import pytest
from annotated_types import Interval, MinLen
from pydantic import field_validator
from pydantic.dataclasses import dataclass

from harness.mistakes import Mistake, check, dotted, shown, suggestion
from harness.spec import STRICT


@dataclass(config=STRICT, kw_only=True)
class Strategy:
    """For these tests."""

    size: int
    share: Annotated[float, Interval(ge=0.5, le=1.0)] = 0.95
    mode: Literal["first", "last"] = "first"
    limit: Annotated[int, Interval(gt=0)] | None = None
    label: Annotated[str, MinLen(1)] = "x"
    ranks: tuple[Annotated[int, Interval(ge=0)], ...] = ()
    exact: bool = False

    @field_validator("size")
    @classmethod
    def _size_is_even(cls, size: int) -> int:
        if size % 2:
            message = "must be even" if size > 0 else "negative sizes make no sense"
            raise ValueError(message)
        return size


def mistakes(**values: object) -> list[str]:
    return [str(mistake) for mistake in check(Strategy, {"size": 2, **values})[1]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"share": 1.5}, "share must be in [0.5, 1.0], got 1.5"),
        ({"share": 0}, "share must be in [0.5, 1.0], got 0"),
        ({"share": "0.9"}, "share must be a number in [0.5, 1.0], got '0.9'"),
        ({"share": True}, "share must be a number in [0.5, 1.0], got true"),
        ({"share": float("nan")}, "share must be a finite number, got nan or infinity"),
        ({"share": float("inf")}, "share must be a finite number, got nan or infinity"),
        ({"share": None}, "share must be a number in [0.5, 1.0], got null"),
        ({"mode": "lst"}, "mode must be one of first, last, got 'lst'; did you mean 'last'?"),
        ({"mode": "zzz"}, "mode must be one of first, last, got 'zzz'"),
        ({"mode": 3}, "mode must be one of first, last, got 3"),
        ({"limit": 0}, "limit must be a whole number above 0 or null, got 0"),
        ({"limit": 1.5}, "limit must be a whole number above 0 or null, got 1.5"),
        ({"label": ""}, "label must be text that is not empty, got ''"),
        ({"label": "x" * 100}, None),
        ({"label": ["x" * 100]}, "label must be text that is not empty, got a list"),
        ({"ranks": [1, -1]}, "ranks[1] must be at least 0, got -1"),
        ({"ranks": 3}, "ranks must be a list, each a whole number at least 0, got 3"),
        ({"ranks": {"a": 1}}, "ranks must be a list, each a whole number at least 0, got a mapping"),
        ({"ranks": [[]]}, "ranks[0] must be a whole number at least 0, got an empty list"),
        ({"exact": "no"}, "exact must be true or false, got 'no'"),
        ({"size": 3}, "size must be even, got 3"),
        ({"size": -3}, "size is refused: negative sizes make no sense"),
        ({"sise": 3}, "sise is an unknown parameter; did you mean 'size'? (allowed: size, share, mode, limit,"),
    ],
)
def test_each_mistake_says_what_is_allowed_and_what_was_given(values: dict[str, object], expected: str | None) -> None:
    found = mistakes(**values)

    assert len(found) == (expected is not None)
    assert expected is None or found[0].startswith(expected)


def test_all_mistakes_are_found_at_once() -> None:
    found = check(Strategy, {"share": 2, "mode": "x", "other": 1})[1]

    assert [mistake.path for mistake in found] == [("size",), ("share",), ("mode",), ("other",)]
    assert found[0] == Mistake(("size",), "is required: a whole number")


def test_values_as_json_has_them_are_accepted() -> None:
    built, found = check(Strategy, {"size": 2, "share": 1, "ranks": [1, 2], "limit": None})

    assert found == []
    assert built == Strategy(size=2, share=1.0, ranks=(1, 2))


def test_a_path_is_written_as_code_writes_it() -> None:
    assert dotted(("arms", 3, "miner", "share")) == "arms[3].miner.share"
    assert dotted(("space", "miner.share", "low")) == "space.miner.share.low"
    assert dotted(("a", "odd key\n")) == r"a.'odd key\n'"
    assert dotted(()) == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1.5, "1.5"),
        ("none", "'none'"),
        ("\x1b[2J\u202e", r"'\x1b[2J\u202e'"),
        ([], "an empty list"),
        ((1,), "a list"),
        ({}, "a mapping"),
    ],
)
def test_values_are_shown_as_yaml_has_them(value: object, expected: str) -> None:
    assert shown(value) == expected


def test_long_values_are_cut() -> None:
    assert len(shown("x" * 10_000)) == 60


def test_a_suggestion_ignores_case_and_says_all_that_is_allowed() -> None:
    assert suggestion("TOPK", ["random", "topk"]) == "; did you mean 'topk'? (allowed: random, topk)"
    assert suggestion("zzz", ["random", "topk"]) == " (allowed: random, topk)"
    assert suggestion("zzz", []) == " (allowed: none)"
