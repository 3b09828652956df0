"""Points that are asked for: seeded, replayed, told of one objective or two."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from harness.search import Search, _population
from harness.spec import ArmSpec, Component, MiningSpec, RangeSpec, Sampler, SearchSpec, TrainingSpec
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
Values = dict[str, float | int]


def spec(**given: object) -> SearchSpec:
    return SearchSpec.model_validate({"arm": "tuned", "trials": 8, "space": SPACE, **given})


def score(values: Values) -> float:
    return -((values["miner.share"] - 0.7) ** 2) - values["depth"] / 1000


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


def test_another_process_asks_for_the_same_points():
    """Not the Gaussian process: its last digits depend on where memory lies."""
    code = (
        "import json, sys; sys.path.insert(0, 'tests'); import test_search_points as t;"
        "print(json.dumps([t.asked(t.spec(sampler=s), 7) for s in ('tpe', 'random', 'qmc', 'nsga2')]))"
    )
    root = Path(__file__).parent.parent
    env = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, env=env)

    assert json.loads(done.stdout) == [asked(spec(sampler=one), 7) for one in ("tpe", "random", "qmc", "nsga2")]


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
