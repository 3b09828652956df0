"""Parameters read from annotations."""

from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Interval, MinLen
from pydantic import Field, JsonValue
from pydantic.dataclasses import dataclass

from harness.parameters import Bounds, parameters
from harness.spec import STRICT, TrainingSpec


@dataclass(config=STRICT, kw_only=True)
class Strategy:
    """For these tests."""

    path: str
    share: Annotated[float, Interval(gt=0.5, le=1.0)] = 0.95
    count: Annotated[int, Ge(1)] | None = None
    depth: int = Field(default=3, ge=1, lt=9)
    mode: Literal["a", "b"] = "a"
    either: float | Literal["all"] = "all"
    ranks: tuple[int, ...] = (1, 2)
    extra: dict[str, int] = Field(default_factory=dict)
    switch: bool = False
    text: Annotated[str, MinLen(1)] = "-"
    level: Literal[1, 2] = 1
    computed: int = Field(default=0, init=False)


def test_every_parameter_says_what_it_expects() -> None:
    assert {parameter.name: parameter.expected for parameter in parameters(Strategy)} == {
        "path": "text",
        "share": "a number in (0.5, 1.0]",
        "count": "a whole number at least 1 or null",
        "depth": "a whole number in [1, 9)",
        "mode": "one of a, b",
        "either": "a number or all",
        "ranks": "a list, each a whole number",
        "extra": "a mapping",
        "switch": "true or false",
        "text": "text that is not empty",
        "level": "one of 1, 2",
    }


def test_defaults_are_plain_data() -> None:
    found = {parameter.name: parameter.default for parameter in parameters(Strategy) if not parameter.required}

    assert found == {
        "share": 0.95,
        "count": None,
        "depth": 3,
        "mode": "a",
        "either": "all",
        "ranks": [1, 2],
        "extra": {},
        "switch": False,
        "text": "-",
        "level": 1,
    }
    assert [parameter.name for parameter in parameters(Strategy) if parameter.required] == ["path"]


def test_numeric_parameters_are_numbers_or_null() -> None:
    assert [parameter.name for parameter in parameters(Strategy) if parameter.numeric] == ["share", "count", "depth"]


def test_plain_parameters_are_single_values() -> None:
    assert [parameter.name for parameter in parameters(Strategy) if not parameter.plain] == ["ranks", "extra"]


def test_words_and_switches_can_be_listed() -> None:
    listed = {parameter.name: parameter.listed for parameter in parameters(Strategy) if parameter.listed}

    assert listed == {"mode": ("a", "b"), "switch": (False, True), "level": (1, 2)}


def test_whole_numbers_are_any_numbers_where_no_parameter_asks_for_them_alone() -> None:
    assert [parameter.name for parameter in parameters(Strategy) if parameter.floats] == ["share", "either"]


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("share", [0.51, 1, 1.0], [0.5, 1.01, True, "1", None, float("nan"), float("inf")]),
        ("count", [1, 10**9, None], [0, 1.0, True, "1"]),
        ("depth", [1, 8], [0, 9, None]),
        ("mode", ["a", "b"], ["c", None, True]),
        ("switch", [False, True], [0, 1, "true", None]),
        ("either", [0, -1.5, "all"], ["some", None, float("nan")]),
        ("text", ["x"], ["", 1, None]),
        ("level", [1, 2], [True, 1.0, 3]),
    ],
)
def test_a_single_value_is_allowed_by_type_bounds_and_words(
    name: str, allowed: list[JsonValue], refused: list[JsonValue]
) -> None:
    parameter = {parameter.name: parameter for parameter in parameters(Strategy)}[name]

    assert [value for value in allowed if not parameter.allows(value)] == []
    assert [value for value in refused if parameter.allows(value)] == []


def test_models_are_read_like_dataclasses() -> None:
    found = {parameter.name: parameter for parameter in parameters(TrainingSpec)}

    assert found["batch_size"].expected == "a whole number in [2, 65536]"
    assert found["loss"].default == {"name": "info_nce", "params": {}}


def test_a_class_without_pydantic_cannot_be_checked() -> None:
    class Plain:
        pass

    with pytest.raises(TypeError, match=r"Plain must be a pydantic dataclass or model"):
        parameters(Plain)


@pytest.mark.parametrize(
    ("bounds", "text", "inside", "outside"),
    [
        (Bounds(0, 1), "in [0, 1]", [0, 1, 0.5], [-0.1, 1.1, "0"]),
        (Bounds(0, 1, low_open=True, high_open=True), "in (0, 1)", [0.5], [0, 1]),
        (Bounds(low=2), "at least 2", [2, 1e9], [1.9]),
        (Bounds(low=2, low_open=True), "above 2", [2.1], [2]),
        (Bounds(high=2), "at most 2", [2, -1e9], [2.1]),
        (Bounds(high=2, high_open=True), "below 2", [1.9], [2]),
        (Bounds(), "", [0, -1e300], [None]),
    ],
)
def test_bounds_know_and_say_what_is_inside(
    bounds: Bounds, text: str, inside: list[object], outside: list[object]
) -> None:
    assert str(bounds) == text
    assert all(value in bounds for value in inside)
    assert not any(value in bounds for value in outside)
