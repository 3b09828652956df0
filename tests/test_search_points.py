"""Points that are asked for: seeded, replayed, told of one objective or two."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from harness.errors import ConfigError
from harness.search.points import Listed, Search, _population
from harness.spec import (
    ArmSpec,
    ChoiceSpec,
    Component,
    MiningSpec,
    RangeSpec,
    Sampler,
    SearchSpec,
    TrainingSpec,
    Values,
)
from harness.sweep_files import Point

TEMPLATE = ArmSpec(
    name="tuned",
    base=Component(name="static"),
    mining=MiningSpec(
        teacher=Component(name="bm25"), miner=Component(name="topk_percpos", params={"k": 2, "share": 0.8})
    ),
    training=TrainingSpec(),
)
SPACE = {"miner.share": RangeSpec(low=0.5, high=1.0), "depth": RangeSpec(low=10, high=90)}
PERCPOS, ABS = (Component(name=f"topk_{name}", params={"k": 2}) for name in ("percpos", "abs"))
CHOICES = {
    "miner": ChoiceSpec(choices=(PERCPOS, ABS)),
    "redraw": ChoiceSpec(choices=(False, True)),
    "depth": RangeSpec(low=10, high=90),
}
CONDITIONS = {
    **CHOICES,
    "miner.share": RangeSpec(low=0.5, high=1.0, when={"miner": ("topk_percpos",)}),
    "miner.threshold": RangeSpec(low=0.0, high=9.0, when={"miner": ("topk_abs",)}),
    "on_shortage": ChoiceSpec(choices=("keep", "drop"), when={"redraw": (True,)}),
    "training.epochs": RangeSpec(low=1, high=9, when={"on_shortage": ("keep",)}),
}


def spec(**given: object) -> SearchSpec:
    return SearchSpec.model_validate({"arm": "tuned", "trials": 8, "space": SPACE, **given})


def score(values: Values) -> float:
    bonus = 0.05 * (values.get("miner") == "topk_abs") + 0.02 * (values.get("on_shortage") == "keep")
    return bonus - (float(values.get("miner.share", 0.7)) - 0.7) ** 2 - float(values["depth"]) / 1000


def asked(search: SearchSpec, count: int, *, failing: tuple[int, ...] = (), kept: Sequence[Point] = ()) -> list[Values]:
    """Return the first points of a search over a made-up objective; those that are `failing` have no value."""
    found = []
    one = Search(search, TEMPLATE, kept)
    for number in range(count):
        _, values, _ = one.ask()
        one.tell(number, None if number in failing else (score(values),))
        found.append(values)
    return found


SAMPLERS = get_args(Sampler)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_is_replayed_asks_for_the_same_points(sampler):
    whole = asked(spec(sampler=sampler), 10, failing=(2,))

    assert asked(spec(sampler=sampler), 10, failing=(2,)) == whole
    assert asked(spec(sampler=sampler), 7, failing=(2,)) == whole[:7]
    assert all(0.5 <= point["miner.share"] <= 1.0 and 10 <= point["depth"] <= 90 for point in whole)
    assert all(isinstance(point["depth"], int) for point in whole)
    assert len({json.dumps(point) for point in whole}) > 7


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_another_seed_asks_for_other_points(sampler):
    assert asked(spec(sampler=sampler, seed=1), 6) != asked(spec(sampler=sampler, seed=0), 6)


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2"])
def test_what_a_point_scored_decides_what_is_asked_for_later(sampler):
    first, other = asked(spec(sampler=sampler), 12), asked(spec(sampler=sampler), 12, failing=(0, 1, 2))

    assert first[:3] == other[:3]
    assert first != other


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_what_a_point_scored_does_not_matter_to_a_sampler_that_does_not_learn(sampler):
    assert asked(spec(sampler=sampler), 8) == asked(spec(sampler=sampler), 8, failing=(1, 2, 5))


@pytest.mark.parametrize(("trials", "size"), [(1, 4), (20, 4), (25, 5), (100, 20), (1000, 50)])
def test_a_generation_is_a_fifth_of_the_trials_within_bounds(trials, size):
    assert _population(trials) == size


def in_all_ways() -> list[list[Values]]:
    """Return the first points of searches that are alike in any process; a Gaussian process is not, in its digits."""
    plain = [asked(spec(sampler=one), 7) for one in ("tpe", "random", "qmc", "nsga2")]
    chosen = [asked(spec(sampler=one, space=CHOICES), 7) for one in ("tpe", "random", "qmc", "nsga2")]
    return [*plain, *chosen, *(asked(spec(sampler=one, space=CONDITIONS), 9) for one in ("tpe", "random"))]


def test_another_process_asks_for_the_same_points():
    code = (
        "import json, sys; sys.path.insert(0, 'tests'); import test_search_points as t;"
        "print(json.dumps(t.in_all_ways()))"
    )
    root = Path(__file__).parent.parent
    env = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, env=env)

    assert json.loads(done.stdout) == in_all_ways()


def kept(search: SearchSpec, values: list[Values]) -> list[Point]:
    origin = Search(search, TEMPLATE).origin
    return [Point(number=n, values=each, arm=TEMPLATE, runs=(), origin=origin) for n, each in enumerate(values)]


def test_a_kept_point_of_a_gaussian_process_stands_in_for_what_is_asked():
    whole = asked(spec(sampler="gp"), 7)
    nudged = [{**values, "miner.share": values["miner.share"] + 1e-12} for values in whole[:6]]

    again = asked(spec(sampler="gp"), 7, kept=kept(spec(sampler="gp"), nudged))

    assert again[:6] == nudged
    assert again[6]["miner.share"] == pytest.approx(whole[6]["miner.share"], abs=1e-4)
    assert again[6]["depth"] == whole[6]["depth"]


def test_what_another_search_kept_is_not_used():
    other = kept(spec(sampler="gp", seed=1), [{"miner.share": 0.5, "depth": 10}])

    assert asked(spec(sampler="gp"), 1, kept=other) == asked(spec(sampler="gp"), 1)


def test_a_search_that_can_be_asked_again_keeps_no_origin():
    assert {one: bool(Search(spec(sampler=one), TEMPLATE).origin) for one in SAMPLERS} == {
        one: one == "gp" for one in SAMPLERS
    }
    assert "origin" not in Point(number=0, values={}, arm=TEMPLATE, runs=()).model_dump()


def test_the_dev_metric_is_raised_and_the_other_objective_lowered():
    directions = Search(spec(minimise="cost", sampler="nsga2"), TEMPLATE)._study.directions

    assert [direction.name for direction in directions] == ["MAXIMIZE", "MINIMIZE"]


# Choices and conditions


@pytest.mark.parametrize(
    ("sampler", "space"), [*((one, CHOICES) for one in SAMPLERS), ("tpe", CONDITIONS), ("random", CONDITIONS)]
)
def test_a_search_with_choices_that_is_replayed_asks_for_the_same_points(sampler, space):
    search = spec(sampler=sampler, space=space)
    whole = asked(search, 9, failing=(2,))

    assert asked(search, 9, failing=(2,)) == whole
    assert asked(search, 6, failing=(2,)) == whole[:6]
    assert {point["miner"] for point in whole} == {"topk_percpos", "topk_abs"}
    assert {point["redraw"] for point in whole} == {False, True}
    assert asked(spec(sampler=sampler, space=space, seed=1), 6) != whole[:6]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_only_what_its_condition_allows_is_asked_for(sampler):
    points = asked(spec(sampler=sampler, space=CONDITIONS), 30)

    for point in points:
        always = {"miner", "redraw", "depth"}
        own = "miner.share" if point["miner"] == "topk_percpos" else "miner.threshold"
        shortage = {"on_shortage"} if point["redraw"] else set()
        epochs = {"training.epochs"} if point.get("on_shortage") == "keep" else set()
        assert set(point) == {*always, own, *shortage, *epochs}
        assert list(point) == sorted(point)
    assert {len(point) for point in points} == {4, 5, 6}


def test_tpe_learns_which_choice_is_better():
    points = asked(spec(sampler="tpe", space=CONDITIONS), 40)

    assert sum(point["miner"] == "topk_abs" for point in points[20:]) > 12


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_two_objectives_may_have_choices(sampler):
    search = Search(spec(sampler=sampler, space=CHOICES, minimise="cost"), TEMPLATE)
    for place in range(10):
        _, values, _ = search.ask()
        search.tell(place, (score(values), float(values["depth"])))

    assert len(search._study.trials) == 10


def test_an_arm_has_what_its_point_chose_and_the_defaults_of_what_it_was_not_asked_for():
    search = Search(spec(sampler="random", space=CONDITIONS), TEMPLATE)
    asked_for = [search.ask() for _ in range(20)]

    for number, values, arm in asked_for:
        extra = (
            {"share": values["miner.share"]} if "miner.share" in values else {"threshold": values["miner.threshold"]}
        )
        assert arm.mining.miner == Component(name=values["miner"], params={"k": 2, **extra})
        assert arm.mining.redraw is values["redraw"]
        assert arm.mining.on_shortage == values.get("on_shortage", "backfill_deeper")
        assert arm.training.epochs == values.get("training.epochs", 3)
        assert arm.name.startswith(f"tuned #{number} (depth={values['depth']}, ")
        assert f"miner={values['miner']}, " in arm.name
        assert f"redraw={str(values['redraw']).lower()}" in arm.name


def test_a_kept_point_with_choices_of_a_gaussian_process_stands_in_for_what_is_asked():
    search = spec(sampler="gp", space=CHOICES)
    whole = asked(search, 6)
    turned = [{**values, "redraw": not values["redraw"]} for values in whole[:5]]

    assert asked(search, 5, kept=kept(search, turned)) == turned


def test_values_that_make_no_arm_are_named():
    space = {"training.epochs": ChoiceSpec(choices=(3, 0))}

    with pytest.raises(ConfigError, match=r"search.space allows a point that makes no arm \(epochs=0\): "):
        asked_arms(Search(spec(sampler="random", space=space), TEMPLATE), 12)


def asked_arms(search: Search, count: int) -> list[ArmSpec]:
    return [search.ask()[2] for _ in range(count)]


def points_of(search: SearchSpec, count: int) -> list[Point]:
    one = Search(search, TEMPLATE)
    found = [one.ask() for _ in range(count)]
    return [Point(number=number, values=values, arm=arm, runs=()) for number, values, arm in found]


def test_a_list_of_points_with_choices_is_given_as_it_stands():
    search = spec(sampler="random", space=CONDITIONS)
    points = [Point.model_validate_json(point.model_dump_json()) for point in points_of(search, 6)]

    listed = Listed(search, TEMPLATE, points)

    assert [listed.ask() for _ in points] == [(point.number, point.values, point.arm) for point in points]


def test_a_listed_point_must_have_what_its_choices_ask_for_and_no_more():
    search = spec(sampler="random", space=CONDITIONS)
    point = next(one for one in points_of(search, 30) if one.values["miner"] == "topk_abs" and not one.values["redraw"])
    values = point.values
    wrong = [
        {**values, "miner.share": 0.7},
        {key: value for key, value in values.items() if key != "miner.threshold"},
        {**values, "miner": "topk"},
        {**values, "miner": "topk_percpos"},
        {**values, "redraw": 0},
        {**values, "miner.threshold": True},
    ]

    with pytest.raises(ConfigError) as caught:
        Listed(search, TEMPLATE, [point.model_copy(update={"values": each}) for each in wrong])

    here = "it is asked for depth, miner, miner.threshold, redraw"
    assert [line.removeprefix(f"--points: point {point.number} has ") for line in str(caught.value).splitlines()] == [
        f"values of depth, miner, miner.share, miner.threshold, redraw; {here}",
        f"values of depth, miner, redraw; {here}",
        "values of depth, miner, miner.threshold, redraw; it is asked for depth, miner, redraw",
        "values of depth, miner, miner.threshold, redraw; it is asked for depth, miner, miner.share, redraw",
        "redraw 0, which is none of false, true",
        "miner.threshold True, beyond [0.0, 9.0]",
    ]


def test_a_point_from_before_there_were_choices_is_read_and_written_as_it_was():
    line = (
        '{"number":3,"values":{"depth":12,"miner.share":0.5},"arm":'
        + TEMPLATE.model_dump_json()
        + ',"runs":[],"origin":"abc"}'
    )

    point = Point.model_validate_json(line)

    assert point.model_dump_json() == line
    assert [type(value) for value in point.values.values()] == [int, float]
