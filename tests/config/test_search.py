"""Search spaces: which parameters may be searched, and over which range."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_sweep_file import VALID, complaints

from harness.config import load_sweep, searchable, with_values
from harness.spec import BudgetSpec, GuardSpec, PruneSpec, RangeSpec

Write = Callable[[str], Path]


def searching(space: str, header: str = "arm: percpos, trials: 4") -> str:
    return f"{VALID}search: {{{header}, space: {space}}}\n"


def ranges(write: Write, space: str) -> dict[str, RangeSpec]:
    search = load_sweep(write(searching(space))).search
    assert search is not None
    return search.space


def test_a_range_is_taken_as_written(write: Write) -> None:
    found = ranges(
        write, "{miner.share: {low: 0.6, high: 0.9}, training.learning_rate: {low: 1e-4, high: 1e-2, log: true}}"
    )

    assert found == {
        "miner.share": RangeSpec(low=0.6, high=0.9),
        "training.learning_rate": RangeSpec(low=1e-4, high=1e-2, log=True),
    }


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("{miner.share: auto}", RangeSpec(low=0.5, high=1.0)),
        ("{miner.share: {low: 0.75}}", RangeSpec(low=0.75, high=1.0)),
        ("{miner.share: {high: 0.75}}", RangeSpec(low=0.5, high=0.75)),
        ("{miner.k: auto}", RangeSpec(low=1, high=64)),
        ("{depth: {high: 200}}", RangeSpec(low=1, high=200)),
        ("{training.loss.scale: {low: 1}}", RangeSpec(low=1.0, high=1000.0)),
        ("{teacher.max_length: {high: 64}}", RangeSpec(low=8, high=64)),
    ],
)
def test_ends_that_are_not_given_come_from_the_annotation(write: Write, space: str, expected: RangeSpec) -> None:
    (found,) = ranges(write, space).values()

    assert found == expected
    assert type(found.low) is type(expected.low)
    assert type(found.high) is type(expected.high)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (
            "{miner.shar: auto}",
            "search.space.miner.shar is no parameter of the arm that a search can set; did you mean 'miner.share'?",
        ),
        ("{training.loss: auto}", "search.space.training.loss.choices is required: a list of two or more, each a loss"),
        ("{miner.share: {low: 0.4}}", "search.space.miner.share.low must be in [0.5, 1.0], got 0.4"),
        ("{miner.share: {high: 2}}", "search.space.miner.share.high must be in [0.5, 1.0], got 2"),
        ("{miner.share: {low: 0.9, high: 0.6}}", "search.space.miner.share.low must be below high, got low 0.9 and"),
        ("{miner.share: {low: 1.0}}", "search.space.miner.share.low must be below high, got low 1.0 and high 1.0"),
        ("{miner.share: {low: .nan}}", "search.space.miner.share.low must be a finite number"),
        ("{miner.share: {low: x}}", "search.space.miner.share.low must be a number or a whole number or null, got 'x'"),
        ("{miner.share: {lo: 0.6}}", "search.space.miner.share.lo is an unknown key; did you mean 'low'?"),
        (
            "{miner.share: all}",
            "search.space.miner.share must be a mapping of low, high and log, or choices, or auto, got 'all'",
        ),
        ("{miner.k: {low: 1.5}}", "search.space.miner.k.low must be a whole number in [1, 64], got 1.5"),
        ("{training.learning_rate: auto}", "search.space.training.learning_rate.low is required: the parameter is a n"),
        (
            "{teacher.k1: {log: true}}",
            "search.space.teacher.k1.log must be false where low is not above 0, got low 0.0",
        ),
        ("{}", "search.space is required: a mapping of at least one parameter"),
        ("[miner.share]", "search.space must be a mapping of parameters to ranges, got a list"),
    ],
)
def test_what_a_space_may_not_say(write: Write, space: str, expected: str) -> None:
    text = searching(space).replace("teacher: minilm", "teacher: bm25" if "k1" in space else "teacher: minilm")

    found = complaints(write(text))

    assert len(found) == 1
    assert found[0].startswith(f"15: {expected}")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("arm: perc, trials: 4", "search.arm must be the name of an arm, got 'perc'; did you mean 'percpos'?"),
        ("arm: untrained, trials: 4", "search.arm must be an arm that is trained, got 'untrained'"),
        ("arm: percpos, trials: 0", "search.trials must be in [1, 10000], got 0"),
        ("arm: percpos", "search.trials is required: a whole number in [1, 10000]"),
        ("trials: 4", "search.arm is required: text"),
        (
            "arm: percpos, trials: 4, sampler: tpa",
            "search.sampler must be one of tpe, random, qmc, gp, nsga2, got 'tpa'; did you m",
        ),
        (
            "arm: percpos, trials: 4, guard: {threshold: 2, scale: 0.01, budget: 4}",
            "search.guard.threshold must be in [0.0, 1.0], got 2",
        ),
        (
            "arm: percpos, trials: 4, guard: {threshold: 0.04, scale: 0.01}",
            "search.guard.budget is required: a whole n",
        ),
        ("arm: percpos, trials: 4, guard: 3", "search.guard must be a mapping of threshold, scale and budget, got 3"),
        (
            "arm: percpos, trials: 4, guard: {threshold: 0.04, scale: 0.01, budgets: 4, budget: 4}",
            "search.guard.budgets is an unknown",
        ),
        ("arm: percpos, trials: 4, budget: {}", "search.budget is refused: it needs runs, hours or device_hours"),
        (
            "arm: percpos, trials: 4, budget: 3",
            "search.budget must be a mapping of runs, hours and device_hours, got 3",
        ),
        ("arm: percpos, trials: 4, budget: {runs: 0}", "search.budget.runs must be "),
        (
            "arm: percpos, trials: 4, budget: {hour: 1}",
            "search.budget.hour is an unknown parameter; did you mean 'hours'",
        ),
        ("arm: percpos, trials: 4, prune: median", "search.prune.name must be wilcoxon, got 'median'"),
        (
            "arm: percpos, trials: 4, prune: true",
            "search.prune must be a mapping of name, p_threshold and block, or w",
        ),
        (
            "arm: percpos, trials: 4, prune: {p_threshold: 0.5}",
            "search.prune.p_threshold must be in (0.0, 0.5), got 0.5",
        ),
        ("arm: percpos, trials: 4, prune: wilcoxon, minimise: cost", "search.prune does not go with minimise"),
        (
            "arm: percpos, trials: 4, prune: wilcoxon, guard: {threshold: 0, scale: 0, budget: 4}",
            "search.prune does not go with guard",
        ),
        ("arm: percpos, trials: 4, minimise: price", "search.minimise must be one of contamination, cost"),
        ("arm: percpos, trials: 4, trails: 4", "search.trails is an unknown key; did you mean 'trials'?"),
    ],
)
def test_what_a_search_may_not_say(write: Write, header: str, expected: str) -> None:
    found = complaints(write(searching("{miner.share: auto}", header)))

    assert len(found) == 1
    assert found[0].startswith(f"15: {expected}")


@pytest.mark.parametrize("text", ["search: 3\n", "search:\n", "search: {}\n"])
def test_a_search_that_says_nothing_is_a_mistake(write: Write, text: str) -> None:
    assert complaints(write(VALID + text))[0].startswith("15: search")


def test_without_a_search_there_is_none(write: Write) -> None:
    assert load_sweep(write(VALID)).search is None


def test_searchable_lists_the_numbers_of_an_arm(write: Write) -> None:
    naive, shared, untrained = load_sweep(write(VALID)).arms

    assert set(searchable(shared)) - set(searchable(naive)) == {"miner.share"}
    assert {"depth", "miner.k", "teacher.max_length", "training.epochs", "training.loss.scale"} < set(searchable(naive))
    assert searchable(untrained) == {}


def test_every_searchable_parameter_can_be_set(write: Write) -> None:
    arm = load_sweep(write(VALID)).arms[1]

    for name, parameter in searchable(arm).items():
        shape = parameter.numeric
        assert shape is not None
        assert shape.bounds.high is not None
        value = shape.bounds.high - 1 if shape.base is int else shape.bounds.high / 2
        changed = with_values(arm, {name: value})
        assert changed != arm
        assert with_values(changed, {name: value}) == changed


def test_with_values_changes_what_it_names_and_nothing_else(write: Write) -> None:
    arm = load_sweep(write(VALID)).arms[1]

    changed = with_values(arm, {"miner.share": 0.8, "training.learning_rate": 0.01, "depth": 7})

    assert changed.mining is not None
    assert changed.training is not None
    assert changed.mining.miner.params == {"k": 3, "share": 0.8}
    assert (changed.mining.depth, changed.training.learning_rate) == (7, 0.01)
    assert with_values(changed, {"miner.share": 0.95, "training.learning_rate": 0.002, "depth": 100}) == arm


def test_a_guard_is_taken_as_written(write: Write) -> None:
    header = "arm: percpos, trials: 4, guard: {threshold: 0.04, scale: 0.01, budget: 8}"

    search = load_sweep(write(searching("{miner.share: auto}", header))).search

    assert search is not None
    assert search.guard == GuardSpec(threshold=0.04, scale=0.01, budget=8)


def test_what_ends_and_thins_a_search_is_taken_as_written(write: Write) -> None:
    header = "arm: percpos, trials: 4, budget: {runs: 6, hours: 1.5}, prune: wilcoxon"

    search = load_sweep(write(searching("{miner.share: auto}", header))).search

    assert search is not None
    assert search.budget == BudgetSpec(runs=6, hours=1.5)
    assert search.prune == PruneSpec(name="wilcoxon", p_threshold=0.1, block=1)
    assert search.minimise is None


def test_contamination_needs_an_arm_that_mines(write: Write) -> None:
    arms = VALID + "  - {name: in-batch, miner: none}\n"
    text = "search: {arm: in-batch, trials: 2, minimise: contamination, space: {training.epochs: {low: 1, high: 3}}}\n"

    assert complaints(write(arms + text)) == [
        "16: search.minimise needs an arm that mines negatives; 'in-batch' has none"
    ]


def test_what_a_search_does_not_say_is_no_part_of_its_digest(write: Write) -> None:
    search = load_sweep(write(searching("{miner.share: auto}"))).search

    assert search is not None
    assert set(search.model_dump(mode="json")) == {"arm", "trials", "space", "sampler", "seed"}
