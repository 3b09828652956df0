"""How defaults, recipe and arm make one ArmSpec, and what an arm may not say."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_sweep_file import complaints

from harness.config import load_sweep
from harness.spec import ArmSpec, Component

Write = Callable[[str], Path]

HEAD = """\
name: small
question: What happens?
datasets: docstrings
defaults:
  base: static
  teacher: {name: minilm, max_length: 64}
  negatives: 3
  depth: 50
  training: {epochs: 2, loss: {name: info_nce, scale: 10.0}}
arms:
"""


def arm(write: Write, text: str, head: str = HEAD) -> ArmSpec:
    return load_sweep(write(f"{head}  - {text}\n")).arms[0]


def complaint(write: Write, text: str, head: str = HEAD) -> list[str]:
    return [line.partition(": ")[2] for line in complaints(write(f"{head}  - {text}\n"))]


def test_an_arm_starts_from_the_defaults(write: Write) -> None:
    found = arm(write, "{name: x, miner: topk_percpos}")

    assert found.base == Component(name="static")
    assert found.mining is not None
    assert found.mining.teacher == Component(name="minilm", params={"max_length": 64})
    assert found.mining.miner == Component(name="topk_percpos", params={"k": 3, "share": 0.95})
    assert (found.mining.depth, found.mining.on_shortage) == (50, "backfill_deeper")
    assert found.training is not None
    assert (found.training.epochs, found.training.batch_size) == (2, 64)
    assert found.training.loss == Component(name="info_nce", params={"scale": 10.0})


def test_an_arm_overrides_the_defaults(write: Write) -> None:
    found = arm(write, "{name: x, miner: {name: topk, k: 7}, teacher: bm25, depth: 9, on_shortage: drop}")

    assert found.mining is not None
    assert found.mining.miner.params == {"k": 7}
    assert found.mining.teacher == Component(name="bm25", params={"k1": 1.5})
    assert (found.mining.depth, found.mining.on_shortage) == (9, "drop")


def test_the_length_of_texts_is_a_setting_of_trained_and_untrained_arms(write: Write) -> None:
    head = HEAD.replace("depth: 50", "max_length: 32")

    assert arm(write, "{name: x, training: false}").max_length == 128
    assert arm(write, "{name: x, training: false}", head).max_length == 32
    assert arm(write, "{name: x, miner: none, max_length: 16}", head).max_length == 16


def test_an_arm_changes_one_setting_of_the_training_and_keeps_the_others(write: Write) -> None:
    found = arm(write, "{name: x, miner: none, training: {batch_size: 8}}")

    assert found.training is not None
    assert (found.training.epochs, found.training.batch_size) == (2, 8)
    assert found.training.loss.params == {"scale": 10.0}


def test_negatives_of_an_arm_win_over_those_of_the_defaults(write: Write) -> None:
    found = arm(write, "{name: x, miner: topk, negatives: 5}")

    assert found.mining is not None
    assert found.mining.miner.params == {"k": 5}


def test_a_pool_may_be_just_as_deep_as_the_negatives_are_many(write: Write) -> None:
    found = arm(write, "{name: x, miner: topk, depth: 3}")

    assert found.mining is not None
    assert found.mining.depth == found.mining.miner.params["k"]


def test_without_defaults_the_spec_decides_and_the_loss_is_written_out(write: Write) -> None:
    head = "name: a\nquestion: b\ndatasets: docstrings\narms:\n"

    found = arm(write, "{name: x, base: static, teacher: minilm, miner: topk}", head)

    assert found.mining is not None
    assert found.mining.miner.params == {"k": 4}
    assert found.training is not None
    assert found.training.loss == Component(name="info_nce", params={"scale": 20.0})


def test_miner_none_means_negatives_of_the_batch_alone(write: Write) -> None:
    found = arm(write, "{name: x, miner: none}")

    assert found.mining is None
    assert found.training is not None


@pytest.mark.parametrize("default_miner", ["", "  miner: topk\n"])
def test_training_false_means_the_base_as_it_is(write: Write, default_miner: str) -> None:
    found = arm(write, "{name: x, training: false}", HEAD.replace("  depth", f"{default_miner}  depth"))

    assert (found.mining, found.training) == (None, None)


def test_an_arm_may_be_trained_where_the_defaults_are_not(write: Write) -> None:
    head = HEAD.replace("{epochs: 2, loss: {name: info_nce, scale: 10.0}}", "false")

    assert arm(write, "{name: x, miner: none, training: {epochs: 5}}", head).training is not None
    assert arm(write, "{name: x, miner: none, training: true}", head).training is not None
    assert arm(write, "{name: x}", head).training is None


def test_an_arm_overrides_its_recipe_and_the_recipe_the_defaults(write: Write) -> None:
    plain = arm(write, "{name: x, recipe: dpr_bm25}")
    changed = arm(write, "{name: x, recipe: dpr_bm25, teacher: minilm}")

    assert plain.mining is not None
    assert plain.mining.teacher.name == "bm25"
    assert plain.mining.miner == Component(name="topk", params={"k": 1})
    assert changed.mining is not None
    assert changed.mining.teacher.name == "minilm"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", "arms[0] must be a mapping of settings with a name, got 7"),
        ("{}", "arms[0].name must be text of 1 to 60 printable characters, got none"),
        ("{name: '', miner: none}", "arms[0].name must be text of 1 to 60 printable characters, got ''"),
        ('{name: "a\\nb", miner: none}', "arms[0].name must be text of 1 to 60 printable characters, got 'a\\nb'"),
        ("{name: 3, miner: none}", "arms[0].name must be text of 1 to 60 printable characters, got 3"),
        ("{name: x}", "arms[0].miner is required: the name of a miner, or none"),
        ("{name: x, miner: }", "arms[0].miner must be the name of a miner, or a mapping with a name, got null"),
        ("{name: x, minr: topk, miner: none}", "arms[0].minr is an unknown key; did you mean 'miner'?"),
        ("{name: x, miner: percpos}", "arms[0].miner is an unknown miner 'percpos'; did you mean 'topk_percpos'?"),
        ("{name: x, miner: {k: 3}}", "arms[0].miner must be the name of a miner, or a mapping with a name, got a map"),
        ("{name: x, miner: {name: topk_percpos, share: 1.5}}", "arms[0].miner.share must be in [0.5, 1.0], got 1.5"),
        ("{name: x, miner: {name: topk_percpos, share: '0.9'}}", "arms[0].miner.share must be a number in [0.5, 1.0]"),
        ("{name: x, miner: {name: topk_percpos, share: .nan}}", "arms[0].miner.share must be a finite number"),
        ("{name: x, miner: {name: topk_abs, threshold: -.inf}}", "arms[0].miner.threshold must be a finite number"),
        ("{name: x, miner: {name: topk, k: 2.0}}", "arms[0].miner.k must be a whole number in [1, 64], got 2.0"),
        ("{name: x, miner: {name: topk, k: true}}", "arms[0].miner.k must be a whole number in [1, 64], got true"),
        ("{name: x, miner: {name: topk, K: 2}}", "arms[0].miner.K is an unknown parameter; did you mean 'k'?"),
        ("{name: x, miner: {name: topk_marginpos, margin: 1}}", "arms[0].miner.margin must be in (-1.0, 1.0), got 1"),
        ("{name: x, miner: topk, training: false}", "arms[0].miner has no effect in an arm with training: false"),
        ("{name: x, recipe: nv_retriever, training: false}", "arms[0].recipe.miner has no effect in an arm with train"),
        ("{name: x, miner: none, teacher: bm25}", "arms[0].teacher has no effect in an arm without a miner"),
        ("{name: x, training: false, depth: 3}", "arms[0].depth has no effect in an arm without a miner"),
        ("{name: x, miner: none, training: yes}", "arms[0].training must be false, or a mapping of settings"),
        (
            "{name: x, miner: none, training: {epoch: 1}}",
            "arms[0].training.epoch is an unknown parameter; did you mean",
        ),
        ("{name: x, miner: none, training: {epochs: 0}}", "arms[0].training.epochs must be in [1, 1000], got 0"),
        ("{name: x, miner: none, training: {loss: nce}}", "arms[0].training.loss is an unknown loss 'nce'"),
        ("{name: x, miner: none, max_length: 4}", "arms[0].max_length must be in [8, 8192], got 4"),
        ("{name: x, miner: topk, depth: 2}", "arms[0].depth must be at least the 3 negatives asked for, got 2"),
        ("{name: x, miner: topk, negatives: 0}", "arms[0].negatives must be in [1, 64], got 0"),
        ("{name: x, miner: topk, on_shortage: fill}", "arms[0].on_shortage must be one of keep, backfill_deeper"),
        ("{name: x, recipe: nv-retriever}", "arms[0].recipe is an unknown recipe 'nv-retriever'; did you mean 'nv_ret"),
        ("{name: x, recipe: [a]}", "arms[0].recipe must be the name of a recipe, got a list"),
    ],
)
def test_what_an_arm_may_not_say(write: Write, text: str, expected: str) -> None:
    found = complaint(write, text)

    assert found[0].startswith(expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "base: static",
            "bases: static",
            "defaults.base is required, here or in each of the arms that need it: arms[0]",
        ),
        ("base: static", "base: 7", "defaults.base must be the name of a base, or a mapping with a name, got 7"),
        ("negatives: 3", "negatives: lots", "defaults.negatives must be a whole number, got 'lots'"),
        ("depth: 50", "max_length: 4", "defaults.max_length must be in [8, 8192], got 4"),
        ("depth: 50", "depth: 2", "defaults.depth must be at least the 3 negatives asked for, got 2"),
        ("depth: 50", "recipe: in_batch", "defaults.recipe is an unknown key"),
        ("depth: 50", "miner: topkk", "defaults.miner is an unknown miner 'topkk'; did you mean 'topk'?"),
        ("epochs: 2", "epochs: two", "defaults.training.epochs must be a whole number in [1, 1000], got 'two'"),
    ],
)
def test_what_the_defaults_may_not_say(write: Write, old: str, new: str, expected: str) -> None:
    found = complaint(write, "{name: x, miner: topk}", HEAD.replace(old, new))

    assert any(line.startswith(expected) for line in found), found


def test_defaults_that_every_arm_overrides_are_checked_all_the_same(write: Write) -> None:
    head = HEAD.replace("{name: minilm, max_length: 64}", "minlm")

    found = complaint(write, "{name: x, miner: topk, teacher: bm25}", head)

    assert found == ["defaults.teacher is an unknown teacher 'minlm'; did you mean 'minilm'? (allowed: bm25, minilm)"]
