import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main

ROOT = Path(__file__).parent.parent
HEAVY = {
    "torch",
    "transformers",
    "sentence_transformers",
    "mteb",
    "mlflow",
    "optuna",
    "pandas",
    "matplotlib",
    "datasets",
}
SWEEP = """
name: toy
question: Does it fail well?
datasets: {name: synthetic, queries: 10, documents: 60}
defaults: {base: static, teacher: bm25}
arms:
  - {name: in-batch, miner: none}
"""


def fails(capsys, code: int, *arguments: str) -> str:
    """Run a command that must fail with `code` and one clear message; return the message."""
    assert main(list(arguments)) == code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("arguments", [["--help"], ["list", "miners"], ["plan", "sweeps/quickstart.yaml"]])
def test_quick_answers_import_nothing_heavy(arguments):
    code = (
        "import sys\n"
        "from harness.cli import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print('heavy:', sorted({HEAVY!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_the_plan_says_what_would_run_and_in_what_it_differs(here, capsys):
    assert main(["plan", str(ROOT / "sweeps/quickstart.yaml")]) == 0

    printed = capsys.readouterr().out
    assert "0/3 naive top-k  (baseline)" in printed
    assert "0/3 PercPos 0.80  differs in mining.miner" in printed
    assert "0 of 33 runs are finished" in printed
    assert max(map(len, printed.splitlines())) <= 100


def test_the_plan_is_there_for_programs(here, capsys):
    assert main(["plan", str(ROOT / "sweeps/smoke.yaml"), "--json"]) == 0

    plan = json.loads(capsys.readouterr().out)
    assert (plan["name"], plan["finished"], len(plan["runs"])) == ("smoke", 0, 8)
    assert {run["status"] for run in plan["runs"]} == {"missing"}
    assert all(re.fullmatch("[0-9a-f]{16}", run["fingerprint"]) for run in plan["runs"])


@pytest.mark.parametrize("kind", ["miners", "teachers", "bases", "datasets", "losses", "recipes", "refreshes"])
def test_every_kind_is_listed_for_people_and_for_programs(kind, capsys):
    assert main(["list", kind]) == 0
    printed = capsys.readouterr().out
    assert main(["list", kind, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)

    assert rows
    assert all(row["name"] in printed for row in rows)
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("miner: none", "miner: topkk"), "did you mean 'topk'?"),
        (("miner: none", "miner: {name: topk_percpos, share: 7}"), r"share must be in \[0.0, 1.1\], got 7"),
        (("miner: none", "minor: none"), "did you mean 'miner'?"),
        (("name: toy", "name: toy\nname: again"), "name"),
        (("name: toy", "name: ../toy"), "name"),
        (("name: toy", "name: [unclosed"), r"toy\.yaml:"),
    ],
)
def test_a_mistake_in_a_sweep_is_named_with_its_line(here, capsys, change, message):
    (here / "toy.yaml").write_text(SWEEP.replace(*change))

    for command in ("plan", "sweep"):
        assert re.search(message, fails(capsys, 2, command, "toy.yaml"))
    assert sorted(path.name for path in here.iterdir()) == ["toy.yaml"]


def test_all_mistakes_are_told_at_once(here, capsys):
    (here / "toy.yaml").write_text(SWEEP.replace("miner: none", "miner: topkk").replace("bm25", "bm52"))

    told = fails(capsys, 2, "plan", "toy.yaml")

    assert "topkk" in told
    assert "bm52" in told
    assert "toy.yaml:5" in told
    assert "toy.yaml:7" in told


def test_a_file_that_is_not_there_is_named(here, capsys):
    assert "nowhere.yaml" in fails(capsys, 2, "plan", "nowhere.yaml")


def test_a_missing_collection_is_named_before_anything_runs(here, capsys):
    (here / "toy.yaml").write_text(
        SWEEP.replace("{name: synthetic, queries: 10, documents: 60}", "{name: beir_folder, path: nowhere}")
    )

    for command in ("plan", "sweep"):
        assert "nowhere" in fails(capsys, 3, command, "toy.yaml")


def test_a_corrupt_collection_is_told_with_file_and_line(here, capsys):
    folder = here / "data"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "title": "", "text": "one"}\n{"_id": "d1", "text": "two"\n')
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "ask"}\n')
    (folder / "qrels/train.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td9\t1\n")
    (here / "toy.yaml").write_text(
        SWEEP.replace("{name: synthetic, queries: 10, documents: 60}", "{name: beir_folder, path: data}")
    )

    told = fails(capsys, 3, "sweep", "toy.yaml", "--no-track", "--workers", "1")

    assert re.search(r"corpus\.jsonl:2", told)
    assert re.search(r"train\.tsv:2.*d9", told)
    assert not list(here.glob("results/toy/runs/*"))


def test_a_place_that_cannot_be_written_is_named(here, capsys):
    (here / "toy.yaml").write_text(SWEEP)
    (here / "results").write_text("in the way")

    assert "cannot write results" in fails(capsys, 5, "sweep", "toy.yaml")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_named(here, capsys, monkeypatch):
    (here / "toy.yaml").write_text(SWEEP)

    def full(handle: int) -> None:
        with open("/dev/full", "w") as device:  # noqa: PTH123  # a device, not a path of ours
            device.write("x")

    monkeypatch.setattr(os, "fsync", full)

    assert "the disk is full" in fails(capsys, 5, "sweep", "toy.yaml")
    assert not (here / "results/toy/plan.json").exists()


def test_a_report_needs_the_results_of_a_sweep(here, capsys):
    assert "plan.json is missing" in fails(capsys, 5, "report", "nowhere")


def test_there_is_no_dashboard_before_there_is_anything_to_show(here, capsys):
    assert "nothing to show" in fails(capsys, 5, "ui")


@pytest.mark.parametrize(
    "arguments", [[], ["swep"], ["sweep"], ["sweep", "a.yaml", "--workers", "0"], ["list", "mining"]]
)
def test_wrong_arguments_exit_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert "usage: winnow" in capsys.readouterr().err


def test_exit_codes_are_documented(capsys):
    from harness import errors

    with pytest.raises(SystemExit):
        main(["--help"])

    printed = capsys.readouterr().out
    codes = {getattr(errors, name).exit_code for name in errors.__all__ if name.endswith("Error")}
    assert all(re.search(rf"(^| ){code} ", printed, re.MULTILINE) for code in codes | {errors.INTERRUPTED})
