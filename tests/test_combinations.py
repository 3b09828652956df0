"""Choices that a point may combine, with the strategies as they are: which of them make no arm."""

import pytest

from harness.config.combinations import contradiction
from harness.registry import MINERS
from harness.spec import ArmSpec, ChoiceSpec, Component, ConfirmSpec, MiningSpec, Space, TrainingSpec

BM25 = Component(name="bm25")
MINED = ArmSpec(
    name="mined",
    base=Component(name="static"),
    mining=MiningSpec(teacher=BM25, miner=Component(name="topk", params={"k": 2})),
    training=TrainingSpec(),
)
IN_BATCH = MINED.model_copy(update={"mining": None})
CONFIRM = ConfirmSpec(teacher=BM25)
CONFIRMED = MINED.model_copy(update={"mining": MiningSpec(teacher=BM25, miner=Component(name="topk"), confirm=CONFIRM)})
BGE_WINDOW = Component(name="bge_window", params={"k": 2, "start": 0, "stop": 20})
WINDOW = MINED.model_copy(update={"mining": MiningSpec(teacher=BM25, miner=BGE_WINDOW)})
ADORE = Component(name="adore")


def among(name: str, *choices: str | Component) -> Space:
    strategies = [Component(name=choice) if isinstance(choice, str) else choice for choice in choices]
    return {name: ChoiceSpec(choices=tuple(strategies))}


@pytest.mark.parametrize(
    ("arm", "space", "start"),
    [
        (
            IN_BATCH,
            among("training.loss", "info_nce", "margin_mse"),
            "allows training.loss=margin_mse, where training.guides is required",
        ),
        (
            IN_BATCH,
            among("training.loss", "info_nce", "gist"),
            "allows training.loss=gist, where training.guides is re",
        ),
        (
            CONFIRMED,
            among("miner", "topk", "random"),
            "allows miner=random, where confirm has no effect on the miner ra",
        ),
        (MINED, {"training.refresh": ChoiceSpec(choices=(None, ADORE))}, "allows training.refresh=adore, where "),
        (
            WINDOW,
            {"miner.start": ChoiceSpec(choices=(0, 9)), "miner.stop": ChoiceSpec(choices=(3, 20))},
            "allows miner.start=9, miner.stop=3, where miner ",
        ),
    ],
)
def test_choices_that_make_no_arm_are_named_with_the_reason(arm: ArmSpec, space: Space, start: str) -> None:
    assert contradiction(arm, space).startswith(start)


def test_choices_that_all_make_an_arm_are_no_contradiction() -> None:
    assert {"topk", "random"} <= set(MINERS.names())
    assert (
        contradiction(MINED, among("miner", "topk", "random") | among("training.loss", "info_nce", "margin_mse")) == ""
    )
