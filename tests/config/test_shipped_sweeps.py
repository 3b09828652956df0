"""The sweep files that come with the project."""

from pathlib import Path

import pytest

from harness.config import load_sweep
from harness.spec import SweepSpec

FOLDER = Path(__file__).parents[2] / "sweeps"
FILES = sorted(FOLDER.glob("*.yaml"))


def shipped(name: str) -> SweepSpec:
    return load_sweep(FOLDER / f"{name}.yaml")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_sweep_is_valid_and_named_like_its_file(path: Path) -> None:
    assert load_sweep(path).name == path.stem


def test_the_quickstart_holds_all_but_one_factor_of_the_recipes_fixed() -> None:
    sweep = shipped("quickstart")
    mined = [arm for arm in sweep.arms if arm.mining]

    assert len(sweep.arms) == 11
    assert {arm.mining.miner.params["k"] for arm in mined if arm.mining} == {4}
    assert {arm.mining.depth for arm in mined if arm.mining} == {100}
    assert [arm.name for arm in mined if arm.mining and arm.mining.teacher.name != "minilm"] == ["BM25 naive top-k"]
    assert [arm.name for arm in sweep.arms if arm.training is None] == ["untrained base"]
    assert len({arm.training.model_dump_json() for arm in sweep.arms if arm.training}) == 1


def test_no_two_arms_of_a_shipped_sweep_are_the_same() -> None:
    for path in FILES:
        sweep = load_sweep(path)
        searched = sweep.search.arm if sweep.search else None
        specs = [arm.model_dump_json(exclude={"name"}) for arm in sweep.arms if arm.name != searched]
        assert len(set(specs)) == len(specs), path


def test_the_search_tunes_the_share_on_the_arm_it_names() -> None:
    search = shipped("tune_percpos").search

    assert search is not None
    assert search.arm == "PercPos tuned"
    assert list(search.space) == ["miner.share"]
