"""Spaces: what choices are called, when a knob is asked for, and what was written before there were either."""

import json
from typing import get_args

import pytest
from pydantic import ValidationError

from harness.fingerprint import digest
from harness.spec import (
    ChoiceSpec,
    Component,
    RangeSpec,
    Sampler,
    SearchSpec,
    Space,
    conditions_refused,
    in_turn,
    is_asked,
)


def strategy(name: str, **params: float) -> Component:
    return Component(name=name, params=dict(params))


MINERS = ChoiceSpec(choices=(strategy("percpos", k=4, share=0.9), strategy("topk", k=4), None))
CHAINED: Space = {
    "zeta": ChoiceSpec(choices=(False, True)),
    "beta": ChoiceSpec(choices=("x", "y"), when={"zeta": (True,)}),
    "alpha": RangeSpec(low=0, high=1, when={"beta": ("y",), "zeta": (True,)}),
    "gamma": RangeSpec(low=0, high=1),
}


def test_a_strategy_is_called_by_its_name_and_an_empty_place_none() -> None:
    assert MINERS.labels == ["percpos", "topk", "none"]
    assert MINERS.options == {"percpos": MINERS.choices[0], "topk": MINERS.choices[1], "none": None}


def test_strategies_of_one_name_are_told_apart_by_the_parameters_that_differ() -> None:
    alike = ChoiceSpec(
        choices=(strategy("a", k=1, x=2), strategy("b", k=1), strategy("a", k=1, x=3), strategy("a", k=1, x=3, y=0))
    )

    assert alike.labels == ["a(x=2, y=None)", "b", "a(x=3, y=None)", "a(x=3, y=0)"]


def test_values_of_a_parameter_are_called_what_they_are() -> None:
    assert ChoiceSpec(choices=(False, True)).labels == [False, True]
    assert [type(label) for label in ChoiceSpec(choices=(1, 2.0, "3")).labels] == [int, float, str]


def test_knobs_are_asked_for_by_name_but_behind_those_they_hang_on() -> None:
    assert in_turn(CHAINED) == ["gamma", "zeta", "beta", "alpha"]


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        ({}, {"gamma", "zeta"}),
        ({"zeta": False}, {"gamma", "zeta"}),
        ({"zeta": True}, {"gamma", "zeta", "beta"}),
        ({"zeta": True, "beta": "x"}, {"gamma", "zeta", "beta"}),
        ({"zeta": True, "beta": "y"}, {"gamma", "zeta", "beta", "alpha"}),
        ({"beta": "y"}, {"gamma", "zeta"}),
    ],
)
def test_a_knob_is_asked_for_where_all_of_its_condition_holds(
    values: dict[str, bool | int | float | str], asked: set[str]
) -> None:
    assert {name for name, knob in CHAINED.items() if is_asked(knob, values)} == asked


def searching(space: Space, sampler: str = "tpe") -> SearchSpec:
    return SearchSpec.model_validate({"arm": "a", "trials": 2, "space": dict(space), "sampler": sampler})


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"a": RangeSpec(when={"b": (1,)})}, "a hangs on b, which is no knob with choices"),
        ({"a": RangeSpec(when={"b": (1,)}), "b": RangeSpec()}, "a hangs on b, which is no knob with choices"),
        (
            {"a": ChoiceSpec(choices=(1, 2), when={"b": (1,)}), "b": ChoiceSpec(choices=(1, 2), when={"a": (1,)})},
            "conditions go round in a circle: ",
        ),
    ],
)
def test_a_condition_on_what_cannot_be_known_before_is_refused(space: Space, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        searching(space)


@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_conditions_are_for_samplers_that_follow_them_and_choices_for_all(sampler: Sampler) -> None:
    assert searching({"zeta": CHAINED["zeta"]}, sampler).sampler == sampler
    if sampler in ("tpe", "random"):
        assert conditions_refused(sampler) == ""
        assert searching(CHAINED, sampler).space == CHAINED
    else:
        with pytest.raises(ValidationError, match=f"sampler must be tpe or random .*, got '{sampler}'"):
            searching(CHAINED, sampler)


def test_a_space_is_read_back_as_it_was_written() -> None:
    search = searching({**CHAINED, "miner": MINERS, "n": ChoiceSpec(choices=(1, 2.5, None))})

    assert SearchSpec.model_validate_json(search.model_dump_json()) == search


def test_a_range_without_a_condition_is_written_as_before_there_were_any() -> None:
    search = searching({"miner.share": RangeSpec(low=0.5, high=1.0)})

    assert json.loads(search.model_dump_json())["space"] == {"miner.share": {"low": 0.5, "high": 1.0, "log": False}}
    assert digest(search, 16) == "35a60660b606264d"


def test_a_knob_says_what_it_is() -> None:
    assert str(CHAINED["alpha"]) == "0 to 1, where beta is y and zeta is true"
    assert str(MINERS) == "one of percpos, topk, none"
    assert str(RangeSpec(low=1, high=2, log=True, when={"a": ("x", "y")})) == (
        "1 to 2, on a logarithmic scale, where a is x or y"
    )
