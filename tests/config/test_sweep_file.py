"""Whole sweep files: what they mean, and every mistake at its line."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.config import load_sweep
from harness.errors import ConfigError
from harness.spec import Component, SweepSpec

Write = Callable[[str], Path]

VALID = """\
name: small
question: What happens?
datasets: [docstrings]
seeds: [0, 1]
metric: ndcg_at_10
baseline: naive
defaults:
  base: static
  teacher: minilm
  negatives: 3
arms:
  - {name: naive, miner: topk}
  - {name: percpos, miner: topk_percpos}
  - {name: untrained, training: false}
"""


def complaints(path: Path) -> list[str]:
    """Return the mistakes of a file, without its name."""
    with pytest.raises(ConfigError) as caught:
        load_sweep(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


def test_a_valid_file_is_written_out_in_full(write: Write) -> None:
    sweep = load_sweep(write(VALID))

    assert sweep.datasets == (
        Component(
            name="docstrings",
            params={"train_pairs": 2000, "dev_queries": 300, "test_queries": 400, "documents": 5000},
        ),
    )
    assert sweep.seeds == (0, 1)
    assert sweep.baseline == "naive"
    assert sweep.comparisons is None
    assert sweep.equal_queries is True
    assert [arm.name for arm in sweep.arms] == ["naive", "percpos", "untrained"]


def test_loading_what_a_loaded_sweep_says_changes_nothing(write: Write) -> None:
    sweep = load_sweep(write(VALID))

    assert SweepSpec.model_validate_json(sweep.model_dump_json()) == sweep


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[docstrings]", "docstrings", ["docstrings"]),
        ("[docstrings]", "{name: docstrings, train_pairs: 5}", ["docstrings"]),
        ("[docstrings]", "[docstrings, {name: beir_folder, path: x}]", ["docstrings", "beir_folder"]),
    ],
)
def test_a_single_dataset_may_stand_without_the_list(write: Write, old: str, new: str, expected: list[str]) -> None:
    assert [dataset.name for dataset in load_sweep(write(VALID.replace(old, new))).datasets] == expected


def test_a_number_of_seeds_counts_from_zero(write: Write) -> None:
    assert load_sweep(write(VALID.replace("[0, 1]", "3"))).seeds == (0, 1, 2)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seeds:", "seed:", "4: seed is an unknown key; did you mean 'seeds'?"),
        ("name: small", "name: a/b", "1: name must be 1 to 64 letters, digits"),
        ("name: small", "nam: small", "1: nam is an unknown key; did you mean 'name'?"),
        ("What happens?", "''", "2: question must be text that is not empty"),
        ("What happens?", "7", "2: question must be text, got 7"),
        ("[docstrings]", "[docstring]", "3: datasets[0] is an unknown dataset 'docstring'; did you mean 'docstrings'?"),
        ("[docstrings]", "[]", "3: datasets is required"),
        ("[docstrings]", "7", "3: datasets must be the name of a dataset, or a mapping with a name, got 7"),
        (
            "[docstrings]",
            "{train: 5}",
            "3: datasets must be the name of a dataset, or a mapping with a name, got a map",
        ),
        ("[docstrings]", "[beir_folder]", "3: datasets[0].path is required: text"),
        ("[docstrings]", "[docstrings, docstrings]", "3: datasets[1] is listed twice: docstrings("),
        ("[0, 1]", "0", "4: seeds must be a list of seeds, or how many in [1, 1000], got 0"),
        ("[0, 1]", "true", "4: seeds must be a list of 1 or more"),
        ("[0, 1]", "[0, -1]", "4: seeds[1] must be in [0, 2147483648), got -1"),
        ("[0, 1]", "[0, 1.5]", "4: seeds[1] must be a whole number in [0, 2147483648), got 1.5"),
        ("[0, 1]", "[1, 1]", "4: seeds is refused: seeds must differ, got [1, 1]"),
        ("[0, 1]", "007", "4: seeds must be a plain decimal number or text in quotes"),
        (
            "ndcg_at_10",
            "ndcg_at_1",
            "5: metric must be one of ndcg_at_10, mrr_at_10, recall_at_10, recall_at_100, map_at_100, auc, got 'ndc",
        ),
        ("baseline: naive", "baseline: nave", "6: baseline must be the name of an arm, got 'nave'; did you mean 'naiv"),
        ("baseline: naive", "equal_queries: no", "6: equal_queries must be true or false, got 'no'"),
        ("baseline: naive", "comparisons: [percpos]", "6: comparisons must come with a baseline"),
        ("arms:", "armes:", "11: armes is an unknown key; did you mean 'arms'?"),
        ("name: percpos", "name: naive", "13: arms[1].name must differ from that of arms[0], got 'naive'"),
    ],
)
def test_each_mistake_is_reported_at_its_line(write: Write, old: str, new: str, expected: str) -> None:
    assert old in VALID

    found = complaints(write(VALID.replace(old, new, 1)))

    assert [line for line in found if line.startswith(expected)], found


@pytest.mark.parametrize(
    ("compared", "expected"),
    [
        ("[percpos, percpos]", "7: comparisons[1] must not be listed twice, got 'percpos'"),
        ("[naive]", "7: comparisons[0] must be another arm than the baseline, got 'naive'"),
        ("[perc]", "7: comparisons[0] must be the name of an arm, got 'perc'; did you mean 'percpos'?"),
        ("percpos", "7: comparisons must be a list, each text or null, got 'percpos'"),
    ],
)
def test_comparisons_name_other_arms(write: Write, compared: str, expected: str) -> None:
    found = complaints(write(VALID.replace("baseline: naive\n", f"baseline: naive\ncomparisons: {compared}\n")))

    assert found[0].startswith(expected)


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(write: Write) -> None:
    path = write(
        "name: a b\n"
        "datasets: docstring\n"
        "seeds: [0, .nan]\n"
        "defaults: {base: statc, teacher: {name: minilm, max_length: 4}, depth: 0}\n"
        "arms:\n"
        "  - {name: x, miner: {name: topk_percpos, share: 1.5, shar: 2}}\n"
        "  - {name: y, miner: topk, trainng: 3}\n"
        "baseline: z\n"
        "name: again\n"
    )

    found = complaints(path)

    assert [line.partition(" ")[0] for line in found] == [
        "1:",
        "1:",
        "2:",
        "3:",
        "4:",
        "4:",
        "4:",
        "6:",
        "6:",
        "7:",
        "8:",
        "9:",
    ]
    assert "6: arms[0].miner.share must be in [0.5, 1.0], got 1.5" in found
    assert "1: question is required: text" in found


def test_a_mistake_in_the_defaults_is_reported_once(write: Write) -> None:
    found = complaints(write(VALID.replace("negatives: 3", "negatives: 99")))

    assert found == ["10: defaults.negatives must be in [1, 64], got 99"]


def test_what_all_arms_lack_is_reported_once(write: Write) -> None:
    found = complaints(write(VALID.replace("  base: static\n", "").replace("  teacher: minilm\n", "")))

    assert found == [
        "7: defaults.base is required, here or in each of the arms that need it: arms[0], arms[1], arms[2]",
        "7: defaults.teacher is required, here or in each of the arms that need it: arms[0], arms[1]",
    ]


def test_hostile_text_reaches_the_terminal_escaped(write: Write) -> None:
    found = complaints(write(VALID.replace("naive, miner: topk", '"a\\e[31m", miner: "\\e[2J\\u202e"')))

    assert not any(letter in line for line in found for letter in "\x1b\u202e")


def test_nothing_heavy_is_imported_for_a_sweep_file() -> None:
    code = "import sys, harness.config; print([m for m in ('torch', 'optuna', 'mlflow', 'pandas') if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("docstrings", [("docstrings", 2000)]),
        ("[docstrings, {name: docstrings, train_pairs: 5}]", [("docstrings", 2000), ("docstrings", 5)]),
        ("[]", []),
    ],
)
def test_runs_are_evaluated_on_further_datasets(write: Write, written: str, expected: list[tuple[str, int]]) -> None:
    sweep = load_sweep(write(VALID + f"evaluate: {written}\n"))

    assert [(each.name, each.params["train_pairs"]) for each in sweep.evaluate] == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("evaluate: [docstring]", "15: evaluate[0] is an unknown dataset 'docstring'; did you mean 'docstrings'?"),
        ("evaluate: [docstrings, docstrings]", "15: evaluate[1] is listed twice: docstrings("),
        ("evaluate: [beir_folder]", "15: evaluate[0].path is required: text"),
        ("evaluate: 7", "15: evaluate must be the name of a dataset, or a mapping with a name, got 7"),
        ("evaluated: docstrings", "15: evaluated is an unknown key; did you mean 'evaluate'?"),
        ("drop_own: sometimes", "15: drop_own must be one of auto, always, never, got 'sometimes'"),
    ],
)
def test_mistakes_in_what_is_evaluated_are_reported_at_their_line(write: Write, written: str, expected: str) -> None:
    assert complaints(write(VALID + written + "\n"))[0].startswith(expected)


def test_several_datasets_at_once_are_evaluated_on_but_not_run_on(write: Write) -> None:
    benchmark = "{name: mteb_benchmark, benchmark: NanoBEIR}"

    sweep = load_sweep(write(VALID + f"evaluate: {benchmark}\n"))
    found = complaints(write(VALID.replace("[docstrings]", benchmark)))

    assert sweep.evaluate == (Component(name="mteb_benchmark", params={"benchmark": "NanoBEIR"}),)
    assert found[0].startswith("3: datasets is mteb_benchmark(benchmark=NanoBEIR), which stands for several datasets")


def test_who_drops_what_is_read(write: Write) -> None:
    assert load_sweep(write(VALID)).drop_own == "auto"
    assert load_sweep(write(VALID + "drop_own: never\n")).drop_own == "never"
