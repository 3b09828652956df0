"""What a run that several processes train leaves behind, and which runs may not be trained so."""

import os

import pytest

from harness.errors import ConfigError, WorkerDiedError
from harness.executors.place import Place
from harness.pipeline import attempt
from harness.ranks import ALONE, Ranks, ranks_of_visible
from harness.record import Environment, RunRecord
from harness.reporting import facts
from harness.spec import ArmSpec, Component, RunSpec, TrainingSpec
from harness.store import Store
from harness.sweep import _require_shareable
from harness.teachers.base import Workspace

DATASET = Component(name="synthetic", params={"queries": 40, "documents": 240})


def spec(name: str = "arm", **training: object) -> RunSpec:
    settings = TrainingSpec(epochs=1, batch_size=8, **training)
    arm = ArmSpec(name=name, base=Component(name="static"), max_length=32, training=settings)
    return RunSpec(arm=arm, dataset=DATASET, seed=0, identities={})


@pytest.mark.parametrize(("count", "others"), [(2, ("GPU-b",)), (3, ("GPU-b", "6"))])
def test_the_first_visible_gpu_is_kept_and_the_next_ones_are_named(monkeypatch, count, others):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-b,6")

    assert ranks_of_visible(count) == Ranks(count, others)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"


def test_a_process_that_trains_alone_keeps_all_that_it_sees(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")

    assert ranks_of_visible(1) == ALONE
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,5"


def test_a_record_names_the_processes_only_where_there_were_several():
    record = RunRecord(status="finished", fingerprint="f", spec=spec())

    assert "processes" not in record.model_dump()
    assert record.model_copy(update={"processes": 2}).model_dump()["processes"] == 2


def test_arms_that_one_process_trains_alone_are_all_refused():
    adore = Component(name="adore", params={})
    specs = [spec("a", refresh=adore), spec("b"), spec("c", refresh=adore)]

    _require_shareable(specs, Place())
    with pytest.raises(ConfigError) as raised:
        _require_shareable(specs, Place(processes=2))

    lines = str(raised.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["arm a", "arm c"]
    assert "leave --processes-per-run 2 out" in lines[0]


def test_a_run_whose_processes_die_leaves_no_record_and_keeps_its_checkpoints(tmp_path, monkeypatch):
    seen = []

    def dying(*_, ranks, checkpoints, **__):
        checkpoints.folder.mkdir(parents=True)
        seen.append(ranks)
        raise WorkerDiedError("process 1 of the training's 2 ended with code -9")

    monkeypatch.setattr("harness.pipeline.train_within_memory", dying)
    work = Workspace(Store(tmp_path / "store"), ranks=Ranks(2))

    with pytest.raises(WorkerDiedError, match="code -9") as raised:
        attempt(spec(), work, tmp_path / "runs")

    assert seen == [Ranks(2)]
    assert raised.value.seconds > 0
    assert not (tmp_path / "runs").exists()
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_a_run_that_several_processes_train_says_so(tmp_path, monkeypatch):
    from harness.training.within_memory import train_within_memory

    def alone(*arguments, **settings):
        return train_within_memory(*arguments, **{**settings, "ranks": ALONE})

    monkeypatch.setattr("harness.pipeline.train_within_memory", alone)
    work = Workspace(Store(tmp_path / "store"), ranks=Ranks(2))

    assert attempt(spec(), work, tmp_path / "runs").processes == 2
    untrained = spec().model_copy(update={"arm": spec().arm.model_copy(update={"training": None})})
    assert attempt(untrained, work, tmp_path / "runs").processes == 1


def test_the_report_names_the_processes_that_trained():
    here = Environment(
        python="3",
        platform="p",
        processor="chip",
        cores=2,
        threads=1,
        device="cpu",
        packages={},
        commit="",
        dirty=False,
    )
    alone = RunRecord(status="finished", fingerprint="f", spec=spec(), environment=here)
    together = alone.model_copy(update={"processes": 2})

    said = [facts._machine(None, run) for run in (alone, together)]

    assert said == ["chip, 2 cores, 1 threads, cpu; ", "chip, 2 cores, 1 threads, cpu, trained by 2 processes; "]
