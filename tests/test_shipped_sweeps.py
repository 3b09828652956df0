"""The sweep files and recipes that come with the project, by the real registries."""

from pathlib import Path

import pytest

from harness.config import load_sweep
from harness.plan import make_plan
from harness.recipes import RECIPES
from harness.spec import ChoiceSpec, SweepSpec

FOLDER = Path(__file__).parents[1] / "sweeps"
FILES = sorted(FOLDER.glob("*.yaml"))


def shipped(name: str) -> SweepSpec:
    return load_sweep(FOLDER / f"{name}.yaml")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_sweep_is_valid_and_named_like_its_file(path: Path) -> None:
    assert load_sweep(path).name == path.stem


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_makes_an_arm_by_its_name_alone(tmp_path: Path, name: str) -> None:
    file = tmp_path / "sweep.yaml"
    defaults = "{base: static, teacher: minilm, negatives: 4}"
    file.write_text(
        f"{{name: one, question: q, datasets: docstrings, defaults: {defaults}, arms: [{{name: x, recipe: {name}}}]}}",
        encoding="utf-8",
    )

    plan = make_plan(load_sweep(file))

    assert len({run.fingerprint for run in plan.sweep.runs}) == 3
    assert RECIPES[name].paper
    assert RECIPES[name].name == name


def test_no_two_recipes_are_the_same() -> None:
    settings = [str(dict(recipe.arm)) for recipe in RECIPES.values()]

    assert len(set(settings)) == len(settings)


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


def test_the_search_among_removers_asks_each_for_its_own_threshold_alone() -> None:
    search = shipped("tune_removers").search

    assert search is not None
    miner = search.space["miner"]
    assert isinstance(miner, ChoiceSpec)
    thresholds = {name: knob.when["miner"] for name, knob in search.space.items() if "miner" in knob.when}
    assert thresholds == {
        "miner.share": ("topk_percpos",),
        "miner.margin": ("topk_marginpos",),
        "miner.threshold": ("topk_abs",),
    }
    assert sorted(map(str, miner.labels)) == sorted(str(rule) for (rule,) in thresholds.values())
