"""Artefacts that are truncated, emptied or have one bit flipped: found, set aside, and computed again."""

import os
import pickle
from pathlib import Path

import pytest
from inline import ONE_RUN, carried_out, copied, kept

from harness.damaged import set_damaged_runs_aside
from harness.errors import StorageError
from harness.reporting.results import read_results
from harness.sums import SUMS, require_intact
from harness.sweep_files import read_sweep
from harness.training.checkpoints import Checkpoints


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert carried_out(folder, monkeypatch, minutes=5).failed == 0
    return folder


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def empty(content: bytes) -> bytes:
    return b""


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


RUN_FILES = ("record.json", "per_query.parquet", "rankings.parquet", "negatives.parquet", "trace.parquet", SUMS)
QUERY_FILES = ("queries.json", "queries.parquet", "qrels.parquet", "texts.parquet")
STORED = ("collection/*/collection.json", "pool/*/score.npy", "pool/*/manifest.json")


@pytest.mark.parametrize("harm", [truncate, empty, flip])
@pytest.mark.parametrize(
    "pattern", [*(f"toy/runs/*/{name}" for name in RUN_FILES), *(f"toy/queries/*/{name}" for name in QUERY_FILES)]
)
def test_what_a_sweep_keeps_is_set_aside_when_damaged_and_made_again(finished, tmp_path, monkeypatch, pattern, harm):
    folder = copied(finished, tmp_path / "copy")
    victim = min((folder / "results").glob(pattern))
    before = kept(folder)
    damaged = harm(victim.read_bytes())
    victim.write_bytes(damaged)

    outcome = carried_out(folder, monkeypatch, minutes=5)

    aside = [path for path in (folder / "results/toy/damaged").rglob(victim.name) if path.is_file()]
    assert outcome.failed == 0
    assert [path.read_bytes() for path in aside] == [damaged]
    assert kept(folder) == before
    require_intact(victim)


@pytest.mark.parametrize(
    "harm", [flip, *(pytest.param(harm, marks=pytest.mark.fault_sweep) for harm in (truncate, empty))]
)
@pytest.mark.parametrize("pattern", STORED)
def test_what_the_store_keeps_is_set_aside_when_damaged_and_made_again(finished, tmp_path, monkeypatch, pattern, harm):
    folder = copied(finished, tmp_path / "copy")
    victim = next((folder / "results/.store").glob(pattern))
    whole = victim.read_bytes()
    victim.write_bytes(harm(whole))
    run = next((folder / "results/toy/runs").glob("*/negatives.parquet"))
    before = kept(folder)
    for path in run.parent.iterdir():
        path.unlink()
    run.parent.rmdir()

    outcome = carried_out(folder, monkeypatch, minutes=5)

    aside = [path for path in victim.parents[1].glob("damaged-*/*/*") if path.name == victim.name]
    assert (outcome.failed, len(aside)) == (0, 1)
    assert victim.read_bytes() == whole
    assert kept(folder) == before


def test_a_run_that_was_kept_without_checksums_is_read_to_see_whether_it_is_whole(finished, tmp_path):
    results = copied(finished, tmp_path / "copy") / "results/toy"
    whole, broken = sorted((results / "runs").glob("[!.]*"))[:2]
    for folder in (whole, broken):
        (folder / SUMS).unlink()
    victim = broken / "per_query.parquet"
    victim.write_bytes(truncate(victim.read_bytes()))

    assert set_damaged_runs_aside(results) == [broken.name]


def test_runs_that_were_recorded_without_rankings_leave_the_texts_to_the_others(finished, tmp_path, monkeypatch):
    folder = copied(finished, tmp_path / "copy")
    results = folder / "results/toy"
    for path in list(results.rglob("texts.parquet")):
        path.unlink()
    early = min((results / "runs").glob("*/rankings.parquet"))
    early.unlink()
    (early.parent / SUMS).unlink()

    outcome = carried_out(folder, monkeypatch, minutes=5)

    assert outcome.failed == 0
    assert not early.exists()
    assert list(results.rglob("texts.parquet"))


@pytest.mark.parametrize("name", ["record.json", "per_query.parquet"])
def test_a_report_of_a_damaged_run_is_refused_and_says_which_file(finished, tmp_path, name):
    folder = copied(finished, tmp_path / "copy")
    results = folder / "results/toy"
    run = read_sweep(results).runs[0].fingerprint
    victim = results / "runs" / run / name
    victim.write_bytes(flip(victim.read_bytes()))

    with pytest.raises(StorageError, match=f"{run}/{name} is damaged"):
        read_results(results)


@pytest.mark.parametrize(
    ("harm", "asides"), [(lambda whole: whole[:-20], 0), (lambda whole: whole.replace(b'"number"', b'"counter"'), 1)]
)
def test_points_of_a_search_that_cannot_be_read_are_asked_again(finished, tmp_path, monkeypatch, harm, asides):
    folder = copied(finished, tmp_path / "copy")
    points = folder / "results/toy/points.jsonl"
    whole = points.read_bytes()
    points.write_bytes(damaged := harm(whole))

    carried_out(folder, monkeypatch, minutes=5)

    assert points.read_bytes() == whole
    aside = list((folder / "results/toy/damaged").rglob("points.jsonl"))
    assert [path.read_bytes() for path in aside] == [damaged] * asides  # a torn end alone is nothing unusual


@pytest.mark.parametrize("harm", [truncate, empty])
def test_a_plan_that_is_torn_is_refused_and_left_as_it_is(finished, tmp_path, monkeypatch, harm):
    folder = copied(finished, tmp_path / "copy")
    plan = folder / "results/toy/plan.json"
    plan.write_bytes(harm(plan.read_bytes()))
    before = plan.read_bytes()

    with pytest.raises(StorageError, match=r"plan.json is not a plan"):
        carried_out(folder, monkeypatch, minutes=5)

    assert plan.read_bytes() == before


def test_a_plan_edited_after_the_sweep_began_is_refused_and_left_as_it_is(finished, tmp_path, monkeypatch):
    folder = copied(finished, tmp_path / "copy")
    plan = folder / "results/toy/plan.json"
    edited = plan.read_text().replace("Does it survive?", "Is ours best?")
    plan.write_text(edited)

    with pytest.raises(StorageError, match=r"plan.json was changed after it was written"):
        carried_out(folder, monkeypatch, minutes=5)

    assert plan.read_text() == edited


def test_a_sweep_file_edited_after_the_sweep_began_is_an_amendment_that_is_told(finished, tmp_path, monkeypatch):
    folder = copied(finished, tmp_path / "copy")
    before = (folder / "results/toy/plan.json").read_bytes()

    plan = carried_out(folder, monkeypatch, question="Is ours best?").plan

    assert plan.amendments[0].changes == ('question changed from "Does it survive?" to "Is ours best?"',)
    assert (folder / "results/toy/plans" / f"{plan.amends[0]}.json").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("state.safetensors", flip),
        ("state.safetensors", truncate),
        ("state.json", empty),
        ("trainer_state.json", flip),
        ("manifest.json", truncate),
    ],
)
def test_a_training_goes_on_from_the_checkpoint_before_a_torn_one(  # noqa: PLR0913, PLR0917  what pytest supplies
    tmp_path, monkeypatch, trained, cut_off, name, harm
):
    folder = copied(cut_off, tmp_path / "copy")
    newest = max((folder / "results/toy/checkpoints").glob("*/step-*"), key=lambda path: path.name)
    victim = newest / name
    victim.write_bytes(harm(victim.read_bytes()))
    loaded = []
    monkeypatch.setattr("harness.training.checkpoints.Checkpoints.read", _noting(loaded))

    outcome = carried_out(folder, monkeypatch, minutes=5, **ONE_RUN)

    assert outcome.failed == 0
    assert [int(path.name.removeprefix("step-")) for path in loaded] == [int(newest.name.removeprefix("step-")) - 1]
    assert kept(folder) == kept(trained)


def _noting(loaded: list[Path]):
    original = Checkpoints.read

    def read(self, checkpoint):
        loaded.append(checkpoint)
        return original(self, checkpoint)

    return read


class _Killed(BaseException):
    """Stands in for SIGKILL: nothing in the harness catches it."""


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory) -> Path:
    """A sweep that was killed after the third checkpoint of its first training."""
    folder = tmp_path_factory.mktemp("killed")
    original = Checkpoints.write

    def write(self, step, state, trainer_state):
        made = original(self, step, state, trainer_state)
        if step == 3:
            raise _Killed
        return made

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Checkpoints, "write", write)
        with pytest.raises(_Killed):
            carried_out(folder, monkeypatch, **ONE_RUN)
    assert len(list((folder / "results/toy/checkpoints").glob("*/step-*"))) == 2
    return folder


def test_pickles_planted_in_a_checkpoint_or_the_store_are_never_loaded(tmp_path, monkeypatch, trained, cut_off):
    folder = copied(cut_off, tmp_path / "copy")
    told = folder / "loaded"

    bomb = pickle.dumps(_Touch(str(told)))
    for checkpoint in (folder / "results/toy/checkpoints").glob("*/step-*"):
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin", "pytorch_model.bin"):
            (checkpoint / name).write_bytes(bomb)
    for kind in ("collection", "pool"):
        for artefact in (folder / f"results/.store/{kind}").glob("[0-9a-f]*/"):
            (artefact / "score.npy").write_bytes(bomb)
            (artefact / "extra.pkl").write_bytes(bomb)

    outcome = carried_out(folder, monkeypatch, minutes=5, **ONE_RUN)

    assert not told.exists()
    assert outcome.failed == 0
    assert kept(folder) == kept(trained)
    pickle.loads(bomb)  # noqa: S301
    assert told.exists()  # so it would have gone off


class _Touch:
    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self):
        return os.mkdir, (self._path,)
