"""Searches from their first point to their end: objectives, budgets, points that are given up, lists."""

import re
from itertools import count
from pathlib import Path

import pytest
from search_folders import CONDITIONS, TEMPLATE, Bench, share_of, strength_of, sweep

from harness.errors import ConfigError
from harness.record import Attempt, read_record
from harness.search.budget import seconds_of
from harness.sweep_files import SearchEnd, read_points, read_search_end, read_sweep, write_points
from harness.sweep_files import read_points_file as read_list

KEPT = "points.jsonl"


def shares(folder: Path) -> list[float]:
    return [float(point.values["miner.share"]) for point in read_points(folder)]


def test_a_search_tries_its_points_and_says_nothing_of_its_end(tmp_path):
    bench = Bench(tmp_path)

    end = bench.search(sweep())

    assert end is None
    assert read_search_end(tmp_path) is None
    assert [len(runs) for runs in bench.carried] == [2, 2, 2, 2]
    assert {key for point in read_points(tmp_path) for key in point.model_dump()} == {"number", "values", "arm", "runs"}


@pytest.mark.parametrize(
    "search", [{}, {"sampler": "gp"}, {"sampler": "nsga2", "minimise": "contamination"}, {"prune": {"block": 2}}]
)
def test_a_search_that_was_cut_off_ends_with_the_same_points(tmp_path, search):
    whole, cut = Bench(tmp_path / "whole"), Bench(tmp_path / "cut")
    spec = sweep(trials=7, **search)
    whole.search(spec)
    cut.search(sweep(trials=3, **search) if search.get("sampler") != "nsga2" else spec)

    cut.search(spec)

    assert (tmp_path / "cut" / KEPT).read_bytes() == (tmp_path / "whole" / KEPT).read_bytes()


def test_a_search_that_is_cut_off_again_keeps_the_points_that_it_had(tmp_path):
    Bench(tmp_path).search(sweep(trials=5, sampler="gp"))
    before = (tmp_path / KEPT).read_bytes()

    class Stopped(Exception):  # noqa: N818
        pass

    def stop(spec):
        raise Stopped

    for record in sorted(tmp_path.glob("runs/*/record.json")):
        record.unlink()
    with pytest.raises(Stopped):
        Bench(tmp_path, score=stop).search(sweep(trials=5, sampler="gp"))

    assert (tmp_path / KEPT).read_bytes() == before


def test_a_point_of_which_a_run_failed_is_neither_best_nor_told(tmp_path):
    bench = Bench(tmp_path, fails=lambda spec: spec.seed == 1)

    bench.search(sweep(prune={}))

    assert [point.pruned_after for point in read_points(tmp_path)] == [0, 0, 0, 0]


# Budgets


@pytest.mark.parametrize(
    ("budget", "tried", "why"),
    [
        ({"runs": 4}, 2, "the next point would exceed its budget of 4 runs"),
        ({"runs": 5}, 2, "the next point would exceed its budget of 5 runs"),
        ({"runs": 1}, 0, "the next point would exceed its budget of 1 runs"),
        ({"device_hours": 0.6}, 3, "the next point would exceed its budget of 0.6 device hours"),
        ({"device_hours": 0.59}, 2, "the next point would exceed its budget of 0.59 device hours"),
        ({"device_hours": 0.01}, 1, "the next point would exceed its budget of 0.01 device hours"),
    ],
)
def test_a_search_ends_before_the_point_that_its_budget_does_not_allow(tmp_path, budget, tried, why):
    end = Bench(tmp_path).search(sweep(budget=budget))  # a run takes a tenth of an hour

    assert end == SearchEnd(tried=tried, planned=4, why=why) == read_search_end(tmp_path)
    assert len(read_points(tmp_path)) == tried


def test_a_search_that_keeps_within_its_budget_comes_to_its_end(tmp_path):
    assert Bench(tmp_path).search(sweep(budget={"runs": 8, "device_hours": 0.81})) is None
    assert len(read_points(tmp_path)) == 4


def test_what_was_spent_before_counts_and_a_repeat_ends_the_same(tmp_path):
    bench = Bench(tmp_path)
    first = bench.search(sweep(budget={"device_hours": 0.6}))
    kept = (tmp_path / KEPT).read_bytes()

    again = Bench(tmp_path, seconds=0.0)

    assert again.search(sweep(budget={"device_hours": 0.6})) == first
    assert (tmp_path / KEPT).read_bytes() == kept
    assert again.carried == [[], [], []]


def test_failed_attempts_are_paid_for(tmp_path):
    Bench(tmp_path, fails=lambda spec: True).search(sweep(trials=1))

    end = Bench(tmp_path, fails=lambda spec: True).search(sweep(budget={"device_hours": 0.3}))

    assert end is not None
    assert end.tried == 1


def test_a_larger_budget_goes_on_and_leaves_no_word_of_the_end(tmp_path):
    Bench(tmp_path).search(sweep(budget={"runs": 4}))

    assert Bench(tmp_path).search(sweep(budget={"runs": 8})) is None
    assert read_search_end(tmp_path) is None
    assert not (tmp_path / "search.json").exists()


def test_hours_are_kept_with_the_points_and_counted_once(tmp_path):
    spec = sweep(budget={"hours": 1.0})
    Bench(tmp_path).search(spec)
    points = read_points(tmp_path)
    slow = [point.model_copy(update={"seconds": 1500.0}) for point in points]
    assert all(point.seconds is not None and point.seconds < 60.0 for point in points)
    write_points(tmp_path, slow)

    end = Bench(tmp_path).search(sweep(budget={"hours": 1.0}, trials=5))

    assert [point.seconds for point in read_points(tmp_path)] == [1500.0] * 4
    assert end == SearchEnd(tried=4, planned=5, why="the next point would exceed its budget of 1 hours")


def test_a_repeat_adds_no_time(tmp_path, monkeypatch):
    ticks = count()
    monkeypatch.setattr("harness.search.searching.time.monotonic", lambda: float(next(ticks)))
    Bench(tmp_path).search(sweep(budget={"hours": 1.0}))
    kept = (tmp_path / KEPT).read_bytes()

    Bench(tmp_path).search(sweep(budget={"hours": 1.0}))

    assert (tmp_path / KEPT).read_bytes() == kept


def test_seconds_are_those_of_every_attempt(tmp_path):
    Bench(tmp_path).search(sweep(trials=1))
    record = next(iter(map(read_record, tmp_path.glob("runs/*"))))
    again = record.model_copy(update={"earlier": (Attempt(kind="OSError", message="", seconds=40.0),)})

    assert seconds_of([record, None, again]) == 360.0 + 400.0


def test_runs_that_were_not_carried_out_are_not_paid_for(tmp_path):
    spec = sweep(seeds=(0, 1, 2), trials=6, prune={})
    Bench(tmp_path / "free").search(spec)
    carried = len(list(tmp_path.glob("free/runs/*/record.json")))

    assert carried < 18
    assert Bench(tmp_path / "paid").search(sweep(seeds=(0, 1, 2), trials=6, prune={}, budget={"runs": 18})) is None
    end = Bench(tmp_path / "short").search(sweep(seeds=(0, 1, 2), trials=6, prune={}, budget={"runs": carried + 2}))
    assert end is None


def test_a_list_is_not_ended_by_a_budget(tmp_path):
    Bench(tmp_path / "first").search(sweep())

    end = Bench(tmp_path / "second").search(sweep(budget={"runs": 2}), read_points(tmp_path / "first"))

    assert end is None
    assert len(read_points(tmp_path / "second")) == 4


# Points that are given up


def test_a_point_whose_runs_have_all_been_carried_out_is_not_given_up(tmp_path):
    Bench(tmp_path).search(sweep(seeds=(0,), trials=6, prune={}))

    assert [point.pruned_after for point in read_points(tmp_path)] == [0] * 6


def test_a_point_that_is_worse_is_given_up_and_enters_no_table(tmp_path):
    bench = Bench(tmp_path)
    spec = sweep(seeds=(0, 1, 2), trials=6, prune={"p_threshold": 0.05})

    bench.search(spec)

    best, expected = 0.0, []
    for share in shares(tmp_path):
        expected.append(0 if share > best else 1)
        best = max(best, share)
    points = read_points(tmp_path)
    assert [point.pruned_after for point in points] == expected
    assert 0 < sum(expected) < 6
    assert len(list(tmp_path.glob("runs/*/record.json"))) == sum(1 if given_up else 3 for given_up in expected)


def test_points_given_up_are_no_part_of_the_sweep_that_is_reported(tmp_path):
    from harness.plan import keep, make_plan

    spec = sweep(trials=6, prune={})
    keep(make_plan(spec), tmp_path)
    Bench(tmp_path).search(spec)
    points = read_points(tmp_path)

    read = read_sweep(tmp_path)

    whole = [point for point in points if not point.pruned_after]
    assert 0 < len(whole) < len(points)
    assert read.runs == tuple(run for point in whole for run in point.runs)
    assert read.arms == (TEMPLATE, *(point.arm for point in whole))


# Lists


def test_a_list_is_carried_out_as_it_stands(tmp_path):
    first, second = Bench(tmp_path / "first"), Bench(tmp_path / "second", score=lambda spec: 1.0 - share_of(spec))
    spec = sweep(trials=6, prune={}, budget={"runs": 10})
    first.search(spec)
    points = read_list(tmp_path / "first" / KEPT)

    end = second.search(spec, points)

    assert end is None
    assert (tmp_path / "second" / KEPT).read_bytes() == (tmp_path / "first" / KEPT).read_bytes()
    names = {path.parent.name for path in tmp_path.glob("first/runs/*/record.json")}
    assert names == {path.parent.name for path in tmp_path.glob("second/runs/*/record.json")}


def test_a_list_of_some_points_is_carried_out_in_its_order(tmp_path):
    Bench(tmp_path / "first").search(sweep())
    points = read_points(tmp_path / "first")

    Bench(tmp_path / "second").search(sweep(), [points[2], points[0]])

    assert [point.number for point in read_points(tmp_path / "second")] == [2, 0]


def test_every_point_that_is_not_of_the_search_is_named(tmp_path):
    Bench(tmp_path).search(sweep())
    good, far, other, foreign = read_points(tmp_path)
    listed = [
        good,
        far.model_copy(update={"values": {"miner.share": 1.5}}),
        other.model_copy(update={"values": {"depth": 3}}),
        foreign.model_copy(update={"arm": TEMPLATE}),
    ]

    with pytest.raises(ConfigError) as caught:
        Bench(tmp_path).search(sweep(), listed)

    assert str(caught.value).splitlines() == [
        "--points: point 1 has miner.share 1.5, beyond [0.5, 1.0]",
        "--points: point 2 has values of depth; the search is over miner.share",
        "--points: point 3 is of another arm than the file's 'tuned': some other setting has changed",
    ]


def test_an_empty_list_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=re.escape("--points: there is no point in the list")):
        Bench(tmp_path).search(sweep(), [])


# Choices and conditions


@pytest.mark.parametrize("search", [{}, {"sampler": "random"}, {"prune": {"block": 2}}, {"minimise": "contamination"}])
def test_a_search_under_conditions_that_was_cut_off_ends_with_the_same_points(tmp_path, search):
    whole, cut = (Bench(tmp_path / name, score=strength_of) for name in ("whole", "cut"))
    whole.search(sweep(trials=8, space=CONDITIONS, **search))
    cut.search(sweep(trials=3, space=CONDITIONS, **search))

    cut.search(sweep(trials=8, space=CONDITIONS, **search))

    assert (tmp_path / "cut" / KEPT).read_bytes() == (tmp_path / "whole" / KEPT).read_bytes()
    assert len({tuple(point.values) for point in read_points(tmp_path / "whole")}) == 3


def test_a_list_of_points_under_conditions_is_carried_out_as_it_stands(tmp_path):
    spec = sweep(trials=8, space=CONDITIONS)
    Bench(tmp_path / "first", score=strength_of).search(spec)

    Bench(tmp_path / "second", score=strength_of).search(spec, read_list(tmp_path / "first" / KEPT))

    assert (tmp_path / "second" / KEPT).read_bytes() == (tmp_path / "first" / KEPT).read_bytes()


def test_a_space_that_is_cut_down_to_one_miner_asks_other_runs(tmp_path):
    Bench(tmp_path, score=strength_of).search(sweep(space=CONDITIONS))
    points = read_points(tmp_path)

    with pytest.raises(ConfigError, match=r"has values of .*miner.*; the search is over miner.share$"):
        Bench(tmp_path / "other").search(sweep(), points[:1])
