"""Whole sweeps on a made-up collection: repeated, interrupted, resumed, searched."""

import json
import os
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from winnow_command import WINNOW, environment, kept_of

from harness.config import load_sweep
from harness.executors.base import WorkerDiedError
from harness.plan import expand
from harness.record import Attempt
from harness.sweep import Listener, Settings, _UnderWay
from harness.sweep_files import read_points, read_sweep

SWEEP = """
name: toy
question: Does it work?
datasets: {name: synthetic, queries: 40, documents: 240}
seeds: 2
baseline: naive
defaults:
  base: static
  teacher: bm25
  negatives: 2
  depth: 20
  max_length: 32
  training: {epochs: 1, batch_size: 8}
arms:
  - {name: untrained, training: false}
  - {name: in-batch, miner: none}
  - {name: naive, miner: topk}
  - {name: random, miner: random}
  - {name: percpos, miner: {name: topk_percpos, share: 0.8}}
  - {name: oracle, miner: oracle}
"""
SEARCH = """
search:
  arm: percpos
  trials: 3
  space: {miner.share: {low: 0.5, high: 1.0}}
"""


def winnow(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*WINNOW, *arguments], cwd=folder, capture_output=True, text=True, check=False, env=environment()
    )


def files(folder: Path) -> dict[str, bytes]:
    """Return what the tables and figures of a report are made of, but for what they cost."""
    every = [path for kind in ("tables", "figures") for path in folder.rglob(f"{kind}/*")]
    return {path.name: path.read_bytes() for path in every if path.stem != "cost"}


def hashes(folder: Path) -> dict[str, str]:
    runs = [json.loads(path.read_text()) for path in folder.glob("runs/*/record.json")]
    return {run["fingerprint"]: run["negatives_hash"] for run in runs}


def tables(folder: Path) -> dict[str, bytes]:
    """Return everything below a sweep's folder that depends on the runs alone, and not on how long they took."""
    return {str(path.relative_to(folder)): content for path, content in kept_of(folder).items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "toy.yaml").write_text(SWEEP + SEARCH)
    done = winnow(folder, "sweep", "toy.yaml", "--workers", "2")
    assert done.returncode == 0, done.stderr
    (folder / "stdout").write_text(done.stdout)
    return folder


def test_a_sweep_ends_with_its_table_in_eighty_columns_and_where_to_look(undisturbed):
    printed = (undisturbed / "stdout").read_text()

    assert max(map(len, printed.splitlines())) <= 80
    assert "report:    reports/toy/report.pdf" in printed
    assert "dashboard: winnow ui" in printed
    assert all(name in printed for name in ("untrained", "in-batch", "naive", "random", "percpos", "oracle"))
    assert (undisturbed / "reports/toy/report.pdf").read_bytes().startswith(b"%PDF")


def test_the_search_sees_dev_and_its_points_are_kept(undisturbed):
    points = read_points(undisturbed / "results/toy")
    sweep = read_sweep(undisturbed / "results/toy")

    assert [point.number for point in points] == [0, 1, 2]
    assert len({point.values["miner.share"] for point in points}) == 3
    assert all(0.5 <= point.values["miner.share"] <= 1.0 for point in points)
    assert all(point.arm.mining.miner.params["share"] == point.values["miner.share"] for point in points)
    assert len(sweep.runs) == 10 + 6


def test_a_sweep_leaves_its_tables_and_its_surroundings(undisturbed):
    left = tables(undisturbed / "results/toy")

    names = [name.rpartition("/")[2] for name in left]
    assert {name: names.count(name) for name in names if name.endswith((".parquet", ".json"))} == {
        "per_query.parquet": 16,
        "rankings.parquet": 16,
        "negatives.parquet": 12,
        "queries.parquet": 1,
        "queries.json": 1,
        "qrels.parquet": 1,
        "texts.parquet": 1,
        "plan.json": 1,
    }
    assert sum(name.endswith(".lock") for name in names) == 1


def test_a_repeat_runs_nothing_and_ends_with_the_same_report(undisturbed):
    before = files(undisturbed / "reports")
    times = {path: path.stat().st_mtime_ns for path in undisturbed.glob("results/toy/*/*/*.*")}
    pdf = (undisturbed / "reports/toy/report.pdf").read_bytes()

    again = winnow(undisturbed, "sweep", "toy.yaml", "--no-track")

    assert again.returncode == 0
    assert again.stdout == (undisturbed / "stdout").read_text()
    assert files(undisturbed / "reports") == before
    assert (undisturbed / "reports/toy/report.pdf").read_bytes() == pdf
    assert times == {path: path.stat().st_mtime_ns for path in undisturbed.glob("results/toy/*/*/*.*")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_is_stopped_goes_on_and_ends_the_same(undisturbed, tmp_path, number):
    (tmp_path / "toy.yaml").write_text(SWEEP + SEARCH)
    arguments = [*WINNOW, "sweep", "toy.yaml", "--workers", "1", "--no-track"]
    with (tmp_path / "stderr").open("w") as log:
        running = subprocess.Popen(
            arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=log, env=environment(), start_new_session=True
        )
        deadline = time.monotonic() + 120
        while len(list(tmp_path.glob("results/toy/runs/*/record.json"))) < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(running.pid, number)
        code = running.wait(30)
    finished = len(list(tmp_path.glob("results/toy/runs/*/record.json")))

    resumed = winnow(tmp_path, "sweep", "toy.yaml", "--workers", "1", "--no-track")

    assert code == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    assert "Traceback" not in (tmp_path / "stderr").read_text()
    assert 5 <= finished < 16
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == (undisturbed / "stdout").read_text()
    assert files(tmp_path / "reports") == files(undisturbed / "reports")
    assert hashes(tmp_path / "results/toy") == hashes(undisturbed / "results/toy")
    assert tables(tmp_path / "results/toy") == tables(undisturbed / "results/toy")
    assert not list(tmp_path.glob("results/toy/runs/.*"))


def test_two_processes_do_not_carry_out_one_sweep(undisturbed):
    from filelock import FileLock

    with FileLock(undisturbed / "results/toy/.lock"):
        second = winnow(undisturbed, "sweep", "toy.yaml", "--no-track")

    assert second.returncode == 2
    assert second.stderr == "winnow: another process is carrying out the sweep in results/toy\n"


def test_a_run_that_fails_is_reported_and_the_others_finish(tmp_path):
    diverging = "{name: diverging, miner: {name: topk_percpos, share: 0.5}}"
    text = SWEEP.replace("{name: oracle, miner: oracle}", diverging)
    (tmp_path / "toy.yaml").write_text(text)
    (tmp_path / "sitecustomize.py").write_text(
        "import harness.pipeline as p\n"
        "original = p.mine\n"
        "def mine(spec, collection, work):\n"
        "    if spec.arm.name == 'diverging':\n"
        "        raise p.NumericError('the training loss is nan')\n"
        "    return original(spec, collection, work)\n"
        "p.mine = mine\n"
    )
    env = environment()
    env["PYTHONPATH"] = f"{tmp_path}:{env['PYTHONPATH']}"
    done = subprocess.run(
        [*WINNOW, "sweep", "toy.yaml", "--no-track"], cwd=tmp_path, capture_output=True, text=True, check=False, env=env
    )

    assert done.returncode == 11
    assert "failed: diverging · seed 0" in done.stderr
    assert "2 runs failed" in done.stdout
    assert "diverging" in done.stdout
    statuses = [json.loads(path.read_text())["status"] for path in tmp_path.glob("results/toy/runs/*/record.json")]
    assert sorted(statuses) == ["failed"] * 2 + ["finished"] * 10


def test_a_worker_that_dies_leaves_a_record_that_counts_the_attempts(tmp_path):
    (tmp_path / "toy.yaml").write_text(SWEEP)
    sweep = load_sweep(tmp_path / "toy.yaml")
    settings = Settings(tmp_path, tmp_path / "store", 1)
    under_way = _UnderWay(sweep, tmp_path / "toy", settings, Listener(), ExitStack())
    _, spec = expand(sweep.arms, sweep)[0]

    first, second = (under_way._recorded(spec, WorkerDiedError("killed", seconds)) for seconds in (2.5, 3.0))

    assert (first.status, first.timings, first.earlier) == ("failed", {"until the worker died": 2.5}, ())
    assert second.earlier == (Attempt(kind="WorkerDiedError", message="killed", seconds=2.5),)


LONG = SWEEP.split("arms:", maxsplit=1)[0].replace("seeds: 2", "seeds: 1").replace("epochs: 1", "epochs: 30") + (
    "arms:\n  - {name: naive, miner: topk}\n"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_training_that_is_killed_half_way_goes_on_from_its_checkpoint(tmp_path, number):
    (tmp_path / "toy.yaml").write_text(LONG)
    every_step = ["sweep", "toy.yaml", "--workers", "1", "--no-track", "--checkpoint-minutes", "0"]
    whole = winnow(tmp_path, "sweep", "toy.yaml", "--workers", "1", "--no-track", "--results", "whole")
    running = subprocess.Popen(
        [*WINNOW, *every_step], cwd=tmp_path, stderr=subprocess.DEVNULL, env=environment(), start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("results/toy/checkpoints/*/step-00000002?")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(running.pid, number)
    running.wait(30)
    kept = list(tmp_path.glob("results/toy/checkpoints/*/step-*"))

    resumed = winnow(tmp_path, *every_step)

    assert (whole.returncode, resumed.returncode) == (0, 0), resumed.stderr
    assert kept
    expected, found = (
        json.loads(next(tmp_path.glob(f"{folder}/toy/runs/*/record.json")).read_text())
        for folder in ("whole", "results")
    )
    assert len(expected["losses"]) == 90
    assert {key: found[key] for key in ("losses", "metrics", "steps", "negatives_hash")} == {
        key: expected[key] for key in ("losses", "metrics", "steps", "negatives_hash")
    }
    assert not list(tmp_path.glob("results/toy/checkpoints/*"))


GUARDED = """
name: guarded
question: Does it stop?
datasets: {name: synthetic, queries: 40, documents: 240}
seeds: 1
defaults:
  base: static
  teacher: bm25
  negatives: 2
  depth: 20
  max_length: 32
  training: {epochs: 1, batch_size: 8}
arms:
  - {name: percpos, miner: {name: topk_percpos, share: 0.8}}
search:
  arm: percpos
  trials: 4
  space: {miner.share: {low: 0.5, high: 1.0}}
  guard: {threshold: 0, scale: 0.01, budget: 2}
"""


def test_a_guarded_search_ends_with_its_budget_and_a_repeat_asks_nothing(tmp_path):
    (tmp_path / "guarded.yaml").write_text(GUARDED)
    arguments = ("sweep", "guarded.yaml", "--workers", "1", "--no-track")

    first = winnow(tmp_path, *arguments)
    kept = (tmp_path / "results/guarded/guard.json").read_bytes()
    again = winnow(tmp_path, *arguments)

    assert first.returncode == again.returncode == 0, first.stderr
    log = json.loads(kept)["guard"]["log"]
    spent = [answer["side"] for answer in log].count("guarded")
    assert len(read_points(tmp_path / "results/guarded")) == len(log) == len(json.loads(kept)["answers"])
    assert log[-1]["budget"] == 2 - spent
    assert len(log) == 4 or spent == 2
    assert (tmp_path / "results/guarded/guard.json").read_bytes() == kept
