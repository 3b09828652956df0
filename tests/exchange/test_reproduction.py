"""A toy sweep is carried out once, published, and run again."""

import json
import math
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.errors import ConfigError, DataError, RunsFailedError
from harness.exchange.expected import FACTOR, FILE, Expected, expected_of, read_expected, tolerance, write_expected
from harness.exchange.reproduction import Task, checked, sweep_of, task_of
from harness.plan import make_plan
from harness.sweep_files import read_plan
from tests.reporting.synthetic import Arm, Sweep, mined

ROOT = Path(__file__).parents[2]
SWEEP = """
name: toy
question: Does it come out again?
datasets: {name: synthetic, queries: 40, documents: 240}
seeds: 2
baseline: naive
defaults: {base: static, teacher: bm25, negatives: 2, depth: 20, max_length: 32, training: {epochs: 1, batch_size: 8}}
arms:
  - {name: untrained, training: false}
  - {name: naive, miner: topk}
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    (folder / "toy.yaml").write_text(SWEEP)
    places = ("--results", str(folder), "--reports", str(folder / "reports"))
    code = main(["sweep", str(folder / "toy.yaml"), "--workers", "1", "--no-track", *places])
    assert code == 0
    write_expected(folder / "toy")
    return folder / "toy"


@pytest.fixture
def task(published) -> Task:
    return task_of(published)


def _with(task: Task, change) -> Task:
    content = task.expected.model_dump(mode="json")
    change(content)
    return Task(task.sweep, task.runs, Expected.model_validate_json(json.dumps(content)), task.planned)


def _moved(by: float, *, run: int = -1, metric: str = "ndcg_at_10"):
    def change(content: dict) -> None:
        content["runs"][run]["metrics"]["test"][metric] += by

    return change


def test_the_sweep_of_a_plan_gives_the_same_plan(published):
    plan = read_plan(published)

    assert make_plan(sweep_of(plan)).sweep.hash == plan.hash


def test_numbers_of_the_same_records_are_equal_to_the_last_bit(task, published):
    found = checked(task, published)

    assert (found.runs, found.equal, found.within) == (4, 4 * 2 * 6, 0)
    assert found.means == 2 * 2 * 6
    assert found.holds
    assert found.elsewhere == []


def test_a_number_may_move_by_the_tolerance_and_no_further(task, published):
    spread = task.expected.spread["synthetic"]["test"]["ndcg_at_10"]

    near = checked(_with(task, _moved(spread.tolerance * 0.999)), published)
    far = checked(_with(task, _moved(-spread.tolerance * 1.001)), published)

    assert (near.equal, near.within, near.outside) == (47, 1, [])
    assert near.holds
    assert len(far.outside) == 1
    assert "'naive' on synthetic, seed 1: test ndcg_at_10 is " in far.outside[0]
    assert not far.holds


def test_the_mean_over_seeds_may_move_less_than_a_number_of_one_run(task, published):
    def both(content: dict) -> None:
        content["spread"]["synthetic"]["test"]["ndcg_at_10"] |= {
            "queries": 1000,
            "seed_sd": 0.1,
            "tolerance": 0.1 * FACTOR,
        }
        _moved(0.09 * FACTOR, run=2)(content)
        _moved(0.09 * FACTOR, run=3)(content)

    found = checked(_with(task, both), published)

    assert found.outside == []
    assert len(found.means_outside) == 1
    assert not found.holds


def test_an_arm_that_is_not_trained_may_move_by_one_query_only(task, published):
    queries = task.expected.spread["synthetic"]["test"]["ndcg_at_10"].queries

    def wide(content: dict) -> None:
        content["spread"]["synthetic"]["test"]["ndcg_at_10"]["seed_sd"] = 10.0
        _moved(1.01 / queries, run=0)(content)

    found = checked(_with(task, wide), published)

    assert len(found.outside) == 1
    assert "'untrained'" in found.outside[0]


def test_a_run_or_a_number_that_is_absent_is_a_failure(task, published, tmp_path):
    shutil.copytree(published / "runs", tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs" / task.runs[0][0].fingerprint)
    path = tmp_path / "runs" / task.runs[3][0].fingerprint / "record.json"
    content = json.loads(path.read_text())
    del content["metrics"]["test"]["auc"]
    path.write_text(json.dumps(content))
    (path.parent / "SHA256SUMS").unlink()

    found = checked(task, tmp_path)

    assert found.missing[-1] == "'naive' on synthetic, seed 1: no auc on test"
    assert "'untrained' on synthetic, seed 0: there is no record of it" in found.missing
    assert not found.holds


def test_the_tolerance_is_three_deviations_of_a_difference_or_one_query():
    assert tolerance(0.01, 1000) == pytest.approx(3 * math.sqrt(2) * 0.01)
    assert tolerance(0.01, 1000, 4) == pytest.approx(3 * math.sqrt(2) * 0.01 / 2)
    assert tolerance(0.01, 10) == 0.1
    assert tolerance(None, 400) == 0.0025


def test_the_deviation_over_seeds_is_pooled_within_trained_arms(tmp_path):
    arms = (Arm("a", mined("topk"), 0.3), Arm("b", mined("topk"), 0.7), Arm("c", trained=False))
    folder = Sweep(arms=arms, seeds=(0, 1, 2), test=30, dev=10, baseline=None).write(tmp_path / "x")

    found = expected_of(folder)

    values = {arm: [run.metrics["test"]["auc"] for run in found.runs if run.arm == arm] for arm in "ab"}
    squares = sum((value - sum(row) / 3) ** 2 for row in values.values() for value in row)
    spread = found.spread["docstrings"]["test"]["auc"]
    assert spread.seed_sd == pytest.approx(math.sqrt(squares / 4))
    assert spread.queries == 30
    assert [run.trained for run in found.runs] == [True] * 6 + [False] * 3


def test_expected_numbers_read_back_to_the_last_bit(published):
    assert read_expected(published) == expected_of(published)


def test_nothing_can_be_expected_of_a_sweep_that_has_not_finished(tmp_path):
    folder = Sweep(arms=(Arm("a"),), test=4, dev=4, baseline=None, missing=[("a", 1)]).write(tmp_path / "x")

    with pytest.raises(DataError, match="'a' on docstrings, seed 1 has not finished"):
        write_expected(folder)


def test_the_published_quickstart_expects_what_its_records_say():
    folder = ROOT / "results" / "published" / "quickstart"

    assert read_expected(folder) == expected_of(folder)


def _copied(published: Path, folder: Path) -> Path:
    for name in ("plan.json", FILE):
        folder.mkdir(exist_ok=True)
        shutil.copy(published / name, folder / name)
    shutil.copytree(published / "runs", folder / "runs")
    return folder


@pytest.mark.parametrize(("before", "after"), [("mrr_at_10: 0.", "mrr_at_10: 0.0"), ("tolerance: ", "tolerance: 9")])
def test_expected_numbers_at_odds_with_the_records_are_refused(published, tmp_path, before, after):
    folder = _copied(published, tmp_path / "toy")
    text = (folder / FILE).read_text()
    assert before in text
    (folder / FILE).write_text(text.replace(before, after, 1))

    with pytest.raises(DataError, match="is not what the records beside it say"):
        task_of(folder)


def test_a_planned_run_without_numbers_is_refused(published, tmp_path):
    folder = _copied(published, tmp_path / "toy")
    shutil.rmtree(folder / "runs")
    head, _, last = (folder / FILE).read_text().rpartition("- arm: ")
    (folder / FILE).write_text(head)

    assert last.startswith("naive")
    with pytest.raises(DataError, match="has 3 runs, the plan 4: no numbers of 'naive' on synthetic, seed 1"):
        task_of(folder)


def test_a_run_that_would_not_be_the_published_one_is_refused_with_what_differs(published, tmp_path):
    folder = _copied(published, tmp_path / "toy")
    content = json.loads((folder / "plan.json").read_text())
    content["datasets"][0]["params"]["documents"] = 260
    (folder / "plan.json").write_text(json.dumps(content))

    with pytest.raises(
        DataError, match=r"another run than the published[^$]*dataset\.params\.documents: 240 was published, here"
    ):
        task_of(folder)


@pytest.mark.parametrize("text", ["", "sweep: [", "sweep: toy\n", "- 1\n"])
def test_malformed_expectations_are_refused(tmp_path, text):
    (tmp_path / FILE).write_text(text)

    with pytest.raises(DataError, match=r"expected\.yaml is malformed"):
        read_expected(tmp_path)


def test_a_sample_is_drawn_by_its_seed(published):
    def drawn(seed: int) -> list[str]:
        return [run.fingerprint for run, _ in task_of(published, 2, seed).runs]

    assert drawn(0) == drawn(0)
    assert len(drawn(0)) == 2
    assert len({tuple(drawn(seed)) for seed in range(8)}) > 1


@pytest.mark.parametrize("sample", [0, 5, -1])
def test_a_sample_of_no_run_or_too_many_is_refused(published, sample):
    with pytest.raises(ConfigError, match="--sample must be between 1 and 4"):
        task_of(published, sample)


def test_a_sample_then_all_are_run_again_and_compared(published, tmp_path, capsys):
    command = ["reproduce", str(published), "--results", str(tmp_path / "again"), "--workers", "1"]

    codes = [main([*command, "--sample", "1"])]
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "again").glob("toy/runs/*/record.json")}
    codes.append(main(command))

    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert codes == [0, 0]
    assert len(made) == 1
    assert all(path.stat().st_mtime_ns == when for path, when in made.items())
    assert lines[0].startswith("toy: 1 of 4 runs again, in ")
    assert "     48 numbers equal to the last bit" in lines
    assert "     24 of 24 means over seeds within tolerance" in lines
    assert lines.count("reproduced") == 2
    assert "so equality is expected" in captured.out


def test_the_command_exits_with_3_for_a_number_and_11_for_a_missing_one(published, tmp_path, monkeypatch, capsys):
    codes = []
    for change in (_moved(0.9), lambda content: content["runs"][0]["metrics"]["test"].update(other=0.5)):
        task = _with(task_of(published), change)
        task.expected.spread["synthetic"]["test"]["other"] = task.expected.spread["synthetic"]["test"]["auc"]
        monkeypatch.setattr("harness.exchange.reproduction.task_of", lambda *_, task=task: task)
        monkeypatch.setattr("harness.commands.reproduce._carried_out", lambda *_: published)
        codes.append(main(["reproduce", str(published), "--results", str(tmp_path)]))

    lines = capsys.readouterr().out.splitlines()
    assert codes == [DataError.exit_code, RunsFailedError.exit_code]
    assert lines.count("NOT reproduced") == 2
    assert "missing: 'untrained' on synthetic, seed 0: no other on test" in lines
    assert max(len(line) for line in lines if "runs again" not in line) <= 80
    assert "and yet some numbers are not equal" in " ".join(lines)


def test_the_folder_of_what_was_published_is_not_written_to(published):
    assert main(["reproduce", str(published), "--results", str(published.parent)]) == DataError.exit_code
