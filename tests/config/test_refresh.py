"""Refreshes in a sweep file, and what does not go together with one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_arms import HEAD, arm, complaint
from test_sweep_file import complaints

from harness.config import refresh, searchable, training, with_values
from harness.registry import REGISTRIES, Registry
from harness.spec import ArmSpec, Component, MiningSpec, RepairSpec, TrainingSpec
from tests.config.conftest import InfoNCE

Write = Callable[[str], Path]


def mined(refresh: str, more: str = "", miner: str = "topk") -> str:
    return f"{{name: x, miner: {miner}, training: {{refresh: {refresh}}}{more}}}"


def trained(write: Write, text: str) -> TrainingSpec:
    found = arm(write, text).training
    assert found is not None
    return found


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide a loss that looks up teachers, and one that compares queries with one another."""
    registry = Registry("loss", "harness.none")
    registry._loaded = True
    registry.register("info_nce")(InfoNCE)
    registry.register("guided")(type("Guided", (InfoNCE,), {"guidance": "scores"}))
    registry.register("all_pairs")(type("AllPairs", (InfoNCE,), {"row_wise": False}))
    monkeypatch.setitem(REGISTRIES, "losses", registry)
    for module in (refresh, training):
        monkeypatch.setattr(module, "LOSSES", registry)


def test_a_refresh_is_read_with_every_parameter_written_out(write: Write) -> None:
    assert trained(write, mined("ance")).refresh == Component(name="ance", params={"every": 1000})
    assert trained(write, mined("{name: ance, every: 50}")).refresh == Component(name="ance", params={"every": 50})
    assert trained(write, mined("{name: conan, skip: 5}")).refresh == Component(
        name="conan", params={"every": 100, "factor": 1.15, "ceiling": 0.8, "skip": 5}
    )
    assert trained(write, mined("adore", miner="none")).refresh == Component(name="adore", params={"depth": 200})


@pytest.mark.parametrize("neutral", ["static", "none", "null"])
def test_negatives_that_do_not_change_are_the_same_as_no_refresh(neutral: str, write: Write) -> None:
    found = trained(write, mined(neutral))

    assert found.refresh is None
    assert found == trained(write, "{name: x, miner: topk}")
    assert "refresh" not in found.model_dump()


def test_an_arm_does_without_the_refresh_of_the_defaults(write: Write) -> None:
    head = HEAD.replace("epochs: 2", "epochs: 2, refresh: conan")

    assert arm(write, "{name: x, miner: topk}", head).training.refresh.name == "conan"
    assert arm(write, mined("static"), head).training.refresh is None


def test_mistakes_in_a_refresh_say_where_and_what_is_allowed(write: Write) -> None:
    assert complaint(write, mined("anse")) == [
        "arms[0].training.refresh is an unknown refresh 'anse'; did you mean 'ance'? (allowed: adore, ance, conan)"
    ]
    assert complaint(write, mined("{name: ance, every: 0}")) == [
        "arms[0].training.refresh.every must be in [1, 1000000], got 0"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            mined("ance", ", redraw: true"),
            "arms[0].redraw must be false in an arm with the refresh ance: both say when negatives change",
        ),
        (
            mined("conan", ", repair: {action: drop_query, suspect: truth}"),
            "arms[0].repair must be none in an arm with the refresh conan: every refresh would drop or add other pairs",
        ),
        (
            mined("ance", ", mix: {how: intra_sample, others: [bm25]}"),
            "arms[0].mix must be none in an arm with the refresh ance: it goes on from the pool of one teacher",
        ),
        (
            mined("ance", miner="random"),
            "arms[0].miner must look at candidates in an arm with the refresh ance; redraw draws anew from the corpus",
        ),
        (
            mined("conan", miner="none"),
            "arms[0].training.refresh must be static in an arm without a miner: conan goes on from what a miner chose",
        ),
        (
            mined("adore"),
            "arms[0].miner must be none in an arm with the refresh adore, which finds its own negatives",
        ),
        (
            "{name: x, miner: none, training: {refresh: adore, early_stopping: {every: 5}}}",
            "arms[0].training.early_stopping must be none in an arm with the refresh adore: documents are not trained",
        ),
        (
            "{name: x, miner: none, training: {refresh: adore, micro_batch: 8}}",
            "arms[0].training.micro_batch has no effect in an arm with the refresh adore, which embeds queries alone",
        ),
    ],
)
def test_what_does_not_go_with_a_refresh_is_refused(text: str, expected: str, write: Write) -> None:
    assert complaint(write, text) == [expected]


def test_a_mistake_is_told_where_it_was_written(write: Write) -> None:
    head = HEAD.replace("  depth: 50", "  depth: 50\n  redraw: true")

    found = complaints(write(f"{head}  - {mined('ance')}\n"))

    assert found == ["9: defaults.redraw must be false in an arm with the refresh ance: both say when negatives change"]


@pytest.mark.usefixtures("losses")
@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("guided", "must look up no teacher in an arm with the refresh adore, got 'guided'"),
        (
            "all_pairs",
            "must read no more than queries against documents in an arm with the refresh adore, got 'all_pairs'",
        ),
    ],
)
def test_losses_that_documents_found_for_each_query_cannot_serve_are_refused(
    loss: str, expected: str, write: Write
) -> None:
    guides = ", guides: bm25" if loss == "guided" else ""
    text = f"{{name: x, miner: none, training: {{refresh: adore, loss: {loss}{guides}}}}}"

    assert complaint(write, text) == [f"arms[0].training.loss {expected}"]
    assert trained(write, text.replace("adore", "static")).loss.name == loss


def test_a_confirmation_goes_with_a_refresh(write: Write) -> None:
    assert trained(write, mined("ance", ", confirm: {teacher: bm25}")).refresh is not None


def test_conan_replaces_what_was_drawn_from_the_whole_corpus_too(write: Write) -> None:
    assert trained(write, mined("conan", miner="random")).refresh is not None


def test_numbers_of_a_refresh_can_be_searched(write: Write) -> None:
    found = arm(write, mined("conan"))

    names = [name for name in searchable(found) if name.startswith("training.refresh.")]
    changed = with_values(found, {"training.refresh.every": 7, "training.refresh.factor": 2.0})

    assert names == [f"training.refresh.{name}" for name in ("ceiling", "every", "factor", "skip")]
    assert changed.training.refresh.params == {"every": 7, "factor": 2.0, "ceiling": 0.8, "skip": 10}


@pytest.mark.parametrize(
    "change", [{"redraw": True}, {"repair": RepairSpec(action="drop_query", suspect="truth")}], ids=["redraw", "repair"]
)
def test_a_spec_refuses_two_ways_of_changing_negatives(change: dict) -> None:
    part = Component(name="-")
    mining = MiningSpec(teacher=part, miner=part, **change)
    settings = TrainingSpec(refresh=Component(name="ance"))

    with pytest.raises(ValueError, match=f"the refresh ance and {next(iter(change))} exclude each other"):
        ArmSpec(name="x", base=part, mining=mining, training=settings)
