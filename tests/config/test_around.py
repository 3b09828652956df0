"""What goes around an arm's miner: confirmation, mix, repair and redrawing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_arms import HEAD, arm, complaint
from test_sweep_file import complaints

from harness.config import searchable, with_values
from harness.spec import Component, ConfirmSpec, MixSpec, RepairSpec, SuspectSpec

Write = Callable[[str], Path]


def test_an_arm_without_them_has_none_of_them(write: Write) -> None:
    mining = arm(write, "{name: x, miner: topk}").mining

    assert mining is not None
    assert (mining.confirm, mining.mix, mining.repair, mining.redraw) == (None, None, None, False)
    assert set(mining.model_dump()) == {"teacher", "miner", "depth", "on_shortage"}


def test_each_is_read_with_its_teachers_and_defaults_written_out(write: Write) -> None:
    text = (
        "{name: x, miner: topk, confirm: {teacher: bm25, probability: sigmoid}, "
        "mix: {how: intra_sample, others: [bm25, {name: bm25, k1: 2.0}]}, "
        "repair: {action: downweight, weight: 0.5, suspect: {teacher: minilm, share: 0.9}}}"
    )

    mining = arm(write, text).mining

    bm25 = Component(name="bm25", params={"k1": 1.5})
    minilm = Component(name="minilm", params={"max_length": 128})
    assert mining is not None
    assert mining.confirm == ConfirmSpec(teacher=bm25, ceiling=0.1, scan=50, probability="sigmoid")
    assert mining.mix == MixSpec(how="intra_sample", others=(bm25, Component(name="bm25", params={"k1": 2.0})))
    assert mining.repair == RepairSpec(
        action="downweight", cap=8, weight=0.5, suspect=SuspectSpec(teacher=minilm, share=0.9)
    )
    assert list(mining.teachers) == [
        "teacher",
        "mix.others[0]",
        "mix.others[1]",
        "confirm.teacher",
        "repair.suspect.teacher",
    ]


def test_the_hidden_positives_may_be_what_is_suspected(write: Write) -> None:
    mining = arm(write, "{name: x, miner: topk, repair: {action: drop_query, suspect: truth, cap: null}}").mining

    assert mining is not None
    assert mining.repair == RepairSpec(action="drop_query", suspect="truth", cap=None)


def test_an_arm_does_without_what_the_defaults_set_by_saying_none(write: Write) -> None:
    head = HEAD.replace("  depth", "  repair: {action: drop_query, suspect: truth}\n  redraw: false\n  depth")

    with_it, without = (
        arm(write, text, head) for text in ("{name: x, miner: topk}", "{name: x, miner: topk, repair: none}")
    )

    assert with_it.mining is not None
    assert with_it.mining.repair is not None
    assert without.mining is not None
    assert without.mining.repair is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mix: cross_sample", "mix must be a mapping of how and others, got 'cross_sample'"),
        ("mix: {how: cross_sample}", "mix.others must be a list of one or more teachers beside the arm's own"),
        ("mix: {how: cross, others: [bm25]}", "mix.how must be one of cross_sample, intra_sample, intra_sample_keep"),
        ("mix: {how: cross_sample, others: [bm52]}", "mix.others[0] is an unknown teacher 'bm52'; did you mean 'bm25'"),
        ("mix: {how: cross_sample, others: bm25}", "mix.others must be a list of one or more teachers"),
        ("mix: {how: cross_sample, others: [bm25], k: 4}", "mix.k is an unknown parameter (allowed: how, others)"),
        ("confirm: {ceiling: 0.2}", "confirm.teacher is required: the teacher that confirms"),
        ("confirm: {teacher: bm25, ceiling: 2}", "confirm.ceiling must be in [0.0, 1.0], got 2"),
        ("confirm: {teacher: {name: bm25, k1: 99}}", "confirm.teacher.k1 must be in [0.0, 10.0], got 99"),
        ("confirm: {teacher: bm25, probability: tanh}", "confirm.probability must be one of identity, sigmoid"),
        ("repair: {action: drop_query}", "repair.suspect is required: truth, or a mapping"),
        ("repair: {suspect: truth}", "repair.action is required"),
        ("repair: {action: drop, suspect: truth}", "repair.action must be one of drop_negative, relabel_positive"),
        ("repair: {action: drop_query, suspect: lies}", "repair.suspect must be a mapping of a teacher, threshold"),
        ("repair: {action: drop_query, suspect: {}}", "repair.suspect is refused: it needs a threshold, a margin or a"),
        ("repair: {action: drop_query, suspect: {share: 2.0}}", "repair.suspect.share must be a number in [0.0, 1.1]"),
        ("repair: {action: drop_query, suspect: {teacher: x, share: 1.0}}", "repair.suspect.teacher is an unknown tea"),
        (
            "repair: {action: drop_query, suspect: truth, cap: -1}",
            "repair.cap must be a whole number in [0, 1000] or null",
        ),
        ("repair: {action: downweight, suspect: truth}", "repair is refused: the action downweight, and no other, ne"),
        ("repair: {action: drop_query, suspect: truth, weight: 0.5}", "repair is refused: the action downweight, and"),
        ("redraw: true, repair: {action: drop_query, suspect: truth}", "redraw must be false in an arm with a repair"),
        ("redraw: each", "redraw must be true or false, got 'each'"),
    ],
)
def test_what_may_not_be_said(write: Write, text: str, expected: str) -> None:
    found = complaint(write, f"{{name: x, miner: topk, {text}}}")

    assert found
    assert found[0].startswith(f"arms[0].{expected}"), found


@pytest.mark.parametrize("part", ["mix: {how: cross_sample, others: [bm25]}", "redraw: true"])
def test_they_have_no_effect_without_a_miner(write: Write, part: str) -> None:
    found = complaint(write, f"{{name: x, miner: none, {part}}}")

    assert found == [f"arms[0].{part.partition(':')[0]} has no effect in an arm without a miner"]


def test_documents_drawn_from_the_whole_corpus_cannot_be_confirmed(write: Write) -> None:
    found = complaint(write, "{name: x, miner: random, confirm: {teacher: bm25}}")

    assert found == ["arms[0].confirm has no effect on the miner random, which draws from the whole corpus"]


def test_mistakes_in_the_defaults_are_reported_once_with_their_line(write: Write) -> None:
    head = HEAD.replace("  depth", "  confirm: {teacher: bm25, scn: 1}\n  depth")

    found = complaints(write(f"{head}  - {{name: x, miner: topk}}\n  - {{name: y, miner: topk}}\n"))

    assert len(found) == 1
    assert found[0].startswith("8: defaults.confirm.scn is an unknown parameter; did you mean 'scan'?")


def test_their_numbers_can_be_searched(write: Write) -> None:
    text = (
        "{name: x, miner: topk, confirm: {teacher: bm25}, "
        "repair: {action: downweight, weight: 0.5, suspect: {share: 0.9}}}"
    )
    found = arm(write, text)
    names = {"confirm.ceiling", "confirm.scan", "repair.cap", "repair.weight", "repair.suspect.share"}

    changed = with_values(found, {"confirm.ceiling": 0.3, "repair.weight": 0.0, "repair.suspect.share": 0.7}).mining

    assert names <= set(searchable(found))
    assert changed is not None
    assert changed.confirm is not None
    assert changed.confirm.ceiling == 0.3
    assert changed.repair is not None
    assert changed.repair.weight == 0.0
    assert isinstance(changed.repair.suspect, SuspectSpec)
    assert changed.repair.suspect.share == 0.7
