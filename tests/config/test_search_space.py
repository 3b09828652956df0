"""Spaces with choices and conditions, as a sweep file gives them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_sweep_file import VALID, complaints

from harness.config import load_sweep, with_values
from harness.config.findings import Findings
from harness.config.knobs import settable
from harness.config.ranges import read_range
from harness.config.yaml_lines import read_yaml
from harness.parameters import Bounds, Shape
from harness.spec import ChoiceSpec, Component, Knob, RangeSpec

Write = Callable[[str], Path]

FEW = "{choices: [topk, topk_percpos, topk_marginpos]}"
PERCPOS = Component(name="topk_percpos", params={"k": 3, "share": 0.95})


def searching(space: str, header: str = "arm: percpos, trials: 4") -> str:
    return f"{VALID}search: {{{header}, space: {{{space}}}}}\n"


def read(write: Write, space: str) -> dict[str, Knob]:
    search = load_sweep(write(searching(space))).search
    assert search is not None
    return search.space


def test_strategies_are_written_out_with_the_negatives_of_the_arm_and_their_own_defaults(write: Write) -> None:
    found = read(write, "miner: {choices: [topk, topk_percpos, {name: topk_percpos, share: 0.7, k: 5}]}")

    assert found["miner"] == ChoiceSpec(
        choices=(
            Component(name="topk", params={"k": 3}),
            PERCPOS,
            Component(name="topk_percpos", params={"k": 5, "share": 0.7}),
        )
    )
    assert found["miner"].labels == ["topk", "topk_percpos(k=3, share=0.95)", "topk_percpos(k=5, share=0.7)"]


@pytest.mark.parametrize(
    ("space", "choices"),
    [
        ("on_shortage: auto", ("keep", "backfill_deeper", "backfill_random", "drop")),
        ("on_shortage: {}", ("keep", "backfill_deeper", "backfill_random", "drop")),
        ("on_shortage: {choices: [drop, keep]}", ("drop", "keep")),
        ("redraw: auto", (False, True)),
        ("training.micro_batch: {choices: [null, 8]}", (None, 8)),
        ("training.learning_rate: {choices: [1, 0.5]}", (1.0, 0.5)),
        ("depth: {choices: [10, 50]}", (10, 50)),
        ("training.batching: {choices: [random, no_duplicates]}", (None, Component(name="no_duplicates", params={}))),
    ],
)
def test_choices_are_taken_as_written_or_from_the_annotation(
    write: Write, space: str, choices: tuple[object, ...]
) -> None:
    (found,) = read(write, space).values()

    assert isinstance(found, ChoiceSpec)
    assert [(type(each), each) for each in found.choices] == [(type(each), each) for each in choices]


def test_bounds_under_a_condition_come_from_the_strategy_that_it_selects(write: Write) -> None:
    found = read(
        write,
        f"miner: {FEW}, miner.share: {{when: {{miner: topk_percpos}}}}, miner.k: {{}}, "
        "miner.margin: {low: 0, high: 0.5, when: {miner: [topk_marginpos]}}",
    )

    assert list(found) == ["miner", "miner.share", "miner.k", "miner.margin"]
    assert found["miner.share"] == RangeSpec(low=0.5, high=1.0, when={"miner": ("topk_percpos",)})
    assert found["miner.k"] == RangeSpec(low=1, high=64)
    assert found["miner.margin"] == RangeSpec(low=0.0, high=0.5, when={"miner": ("topk_marginpos",)})


def test_a_literal_of_the_selected_strategy_gives_its_words(write: Write) -> None:
    found = read(write, "miner: {choices: [topk, bge_window]}, miner.ranks: {when: {miner: bge_window}}")

    assert found["miner.ranks"] == ChoiceSpec(choices=("pool", "eligible"), when={"miner": ("bge_window",)})


def test_a_name_in_a_condition_stands_for_all_strategies_of_that_name(write: Write) -> None:
    found = read(
        write,
        "miner: {choices: [topk, topk_percpos, {name: topk_percpos, share: 0.7}]}, "
        "depth: {high: 9, low: 3, when: {miner: topk_percpos}}, "
        "training.epochs: {low: 1, high: 3, when: {miner: topk_percpos(share=0.7)}}",
    )

    assert found["depth"].when == {"miner": ("topk_percpos(share=0.95)", "topk_percpos(share=0.7)")}
    assert found["training.epochs"].when == {"miner": ("topk_percpos(share=0.7)",)}


def test_a_chain_of_conditions_selects_the_strategy_too(write: Write) -> None:
    found = read(
        write,
        f"miner: {FEW}, on_shortage: {{when: {{miner: topk_percpos}}}}, miner.share: {{when: {{on_shortage: keep}}}}",
    )

    assert found["miner.share"] == RangeSpec(low=0.5, high=1.0, when={"on_shortage": ("keep",)})


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("miner: {choices: [topk, topk_abss]}", "miner.choices[1] is an unknown miner 'topk_abss'; did you mean"),
        ("miner: {choices: [topk, topk]}", "miner.choices[1] is listed twice: topk"),
        ("miner: {choices: [topk, {name: topk, k: 3}]}", "miner.choices[1] is listed twice: topk"),
        ("miner: {choices: [topk, {name: topk_percpos, share: 3}]}", "miner.choices[1].share must be in [0.5, 1.0]"),
        ("miner: {choices: [topk]}", "miner.choices must be a list of two or more, each a miner, got a list of 1"),
        ("miner: {choices: topk}", "miner.choices must be a list of two or more, each a miner, got 'topk'"),
        ("miner: {choices: [topk, none]}", "miner.choices[1] is an unknown miner 'none'"),
        ("miner: {}", "miner.choices is required: a list of two or more, each a miner"),
        (f"miner: {FEW[:-1]}, low: 2}}", "miner.low has no effect beside choices"),
        (f"miner: {FEW[:-1]}, choice: 2}}", "miner.choice is an unknown key; did you mean 'choices'?"),
        ("training.batching: {choices: [none, random]}", "training.batching.choices[1] is listed twice: none"),
        ("loss: {choices: [info_nce, dcl]}", "loss is no parameter of the arm that a search can set; did you mean"),
        (
            "on_shortage: {choices: [keep, drops]}",
            "on_shortage.choices[1] must be one of keep, backfill_deeper, backfill_random, drop, got 'drops'; did you",
        ),
        ("on_shortage: {choices: [keep, keep]}", "on_shortage.choices[1] is listed twice: keep"),
        ("on_shortage: {low: 1}", "on_shortage.low has no effect: the parameter is one of keep, backfill_deeper"),
        ("redraw: {choices: [false, 1]}", "redraw.choices[1] must be true or false, got 1"),
        ("depth: {choices: [5, true]}", "depth.choices[1] must be a whole number in [1, 10000], got true"),
        ("depth: {choices: [5, 2.0]}", "depth.choices[1] must be a whole number in [1, 10000], got 2.0"),
        ("miner.share: {choices: [0.7, 1.2]}", "miner.share.choices[1] must be in [0.5, 1.0], got 1.2"),
        ("miner.share: {choices: [0.7, .inf]}", "miner.share.choices[1] must be in [0.5, 1.0], got inf"),
        ("miner.share: {choices: [1, 1.0]}", "miner.share.choices[1] is listed twice: 1.0"),
        (f"miner: {FEW}, miner.share: auto", "miner.share is no parameter of topk, topk_marginpos: it needs when: {mi"),
        (
            f"miner: {FEW}, miner.share: {{when: {{miner: [topk, topk_percpos]}}}}",
            "miner.share is no parameter of topk: it needs when: {miner: [topk_percpos]}",
        ),
        (
            f"miner: {FEW}, miner.shar: auto",
            "miner.shar is no parameter of topk, topk_percpos, topk_marginpos; did you",
        ),
        (
            f"miner: {FEW}, depth: {{when: {{minr: topk}}}}",
            "depth.when.minr is no knob of the space; did you mean 'miner'? (allowed: miner, depth)",
        ),
        (
            f"miner: {FEW}, depth: {{when: {{miner: topk_percos}}}}",
            "depth.when.miner must be among the choices of miner, got 'topk_percos'; did you mean 'topk_percpos'?",
        ),
        (
            f"miner: {FEW}, depth: {{when: {{miner: []}}}}",
            "depth.when.miner must be one or more of its choices, got an",
        ),
        (f"miner: {FEW}, depth: {{when: topk}}", "depth.when must be a mapping of knobs to the values at which this"),
        ("redraw: {}, depth: {when: {redraw: 1}}", "depth.when.redraw must be among the choices of redraw, got 1"),
        (
            "training.epochs: {low: 1, high: 2}, depth: {when: {training.epochs: 1}}",
            "depth.when.training.epochs must be a knob with choices; this one has a range",
        ),
        (
            "redraw: {when: {on_shortage: keep}}, on_shortage: {when: {redraw: true}}",
            "redraw.when goes round in a circle: redraw, on_shortage hang on each other",
        ),
        (
            "miner: {choices: [topk, bge_window], when: {miner.ranks: pool}}, miner.ranks: {}",
            "miner.when goes round in a circle: miner, miner.ranks hang on each other",
        ),
        (
            f"miner: {FEW}, redraw: {{when: {{miner: topk}}}}, depth: {{when: {{redraw: true, miner: topk_percpos}}}}",
            "depth.when can never hold: no value of miner meets all of it",
        ),
    ],
)
def test_what_choices_and_conditions_may_not_say(write: Write, space: str, expected: str) -> None:
    found = complaints(write(searching(space)))

    assert len(found) == 1
    assert found[0].startswith(f"15: search.space.{expected}")


def test_every_mistake_of_a_space_is_told_at_its_line(write: Write) -> None:
    lines = [
        "  sampler: gp",
        "  space:",
        "    miner: {choices: [topk, topk_abss]}",
        "    miner.share: {when: {minr: topk}}",
        "    redraw: {when: {on_shortage: keep}}",
        "    on_shortage: {when: {redraw: true}}",
        "    depth: {choices: [4, 4], when: {miner: topk, redrew: true}}",
    ]

    found = complaints(write(f"{VALID}search:\n  arm: percpos\n  trials: 2\n" + "\n".join(lines) + "\n"))

    assert [line.partition(" ")[0] + line.partition(" ")[2].partition(" ")[0] for line in found] == [
        "18:search.sampler",
        "20:search.space.miner.choices[1]",
        "21:search.space.miner.share.when.minr",
        "22:search.space.redraw.when",
        "24:search.space.depth.choices[1]",
        "24:search.space.depth.when.redrew",
    ]


def test_a_sampler_that_does_not_follow_conditions_is_refused_for_them_alone(write: Write) -> None:
    gp = "arm: percpos, trials: 4, sampler: gp"

    assert load_sweep(write(searching("on_shortage: {}", gp))).search is not None
    assert complaints(write(searching("redraw: {}, depth: {high: 9, low: 3, when: {redraw: true}}", gp))) == [
        "15: search.sampler must be tpe or random where a knob has a condition, got 'gp'"
    ]


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("depth: {choices: [2, 3]}", "allows depth=2, where depth must be at least the 3 negatives asked for, got 2"),
        (
            "miner: {choices: [topk, {name: topk, k: 7}]}, depth: {choices: [5, 9]}",
            "allows depth=5, miner=topk(k=7), where depth must be at least the 7 negatives asked for, got 5",
        ),
        (
            "redraw: {}, training.refresh: {choices: [none, {name: ance, every: 5}]}",
            "allows redraw=True, training.refresh=ance, where the refresh ance and redraw exclude each other",
        ),
    ],
)
def test_choices_that_do_not_go_together_are_a_mistake(write: Write, space: str, expected: str) -> None:
    assert complaints(write(searching(space))) == [f"15: search.space {expected}"]


def test_choices_that_a_condition_keeps_apart_go_together(write: Write) -> None:
    found = read(
        write,
        "training.refresh: {choices: [none, {name: ance, every: 5}]}, redraw: {when: {training.refresh: none}}",
    )

    assert found["redraw"].when == {"training.refresh": ("none",)}


def test_a_range_suits_every_strategy_that_may_stand_there(write: Write) -> None:
    shapes = [Shape(float, Bounds(0, 5)), Shape(int, Bounds(2, 9, high_open=True)), Shape(float)]

    found = read_range(RangeSpec(), shapes, ("x",), Findings(read_yaml(write(VALID))))

    assert (found.low, found.high) == (2, 5)
    assert isinstance(found.low, int)


def test_a_parameter_of_a_strategy_that_is_chosen_at_times_must_be_one_of_the_arm_too(write: Write) -> None:
    space = (
        "redraw: {}, miner: {choices: [topk_marginpos, {name: topk_marginpos, margin: 0.2}], when: {redraw: true}}, "
        "miner.margin: {low: 0, high: 1}"
    )

    (found,) = complaints(write(searching(space.replace("high: 1", "high: 0.5"))))

    assert found.startswith("15: search.space.miner.margin is no parameter of the arm as it stands: it needs when: {")


def test_what_hangs_on_no_circle_is_read_beside_one(write: Write) -> None:
    space = (
        f"miner.share: {{when: {{miner: topk_percpos}}}}, miner: {FEW}, "
        "redraw: {when: {on_shortage: keep}}, on_shortage: {when: {redraw: true}}"
    )

    (found,) = complaints(write(searching(space)))

    assert found.startswith("15: search.space.redraw.when goes round in a circle")


def test_an_arm_takes_a_strategy_and_then_its_parameters(write: Write) -> None:
    naive, _, _ = load_sweep(write(VALID)).arms

    changed = with_values(naive, {"miner.share": 0.7, "miner": PERCPOS, "redraw": True, "on_shortage": "drop"})

    assert changed.mining is not None
    assert changed.mining.miner == Component(name="topk_percpos", params={"k": 3, "share": 0.7})
    assert (changed.mining.redraw, changed.mining.on_shortage) == (True, "drop")
    assert changed.model_copy(update={"mining": naive.mining}) == naive


def test_a_place_that_is_left_empty_is_that_of_an_arm_without_it(write: Write) -> None:
    naive, _, _ = load_sweep(write(VALID)).arms

    given = with_values(naive, {"training.batching": Component(name="no_duplicates")})

    assert given.training is not None
    assert given.training.batching == Component(name="no_duplicates")
    assert with_values(given, {"training.batching": None}) == naive


def test_what_can_be_set_is_numbers_words_and_switches(write: Write) -> None:
    naive, _, untrained = load_sweep(write(VALID)).arms

    names = set(settable(naive))

    assert {"depth", "redraw", "on_shortage", "miner.k", "training.mask_known_positives"} < names
    assert not names & {"teacher", "miner", "training.loss", "training.guides", "mix", "confirm"}
    assert settable(untrained) == {}
