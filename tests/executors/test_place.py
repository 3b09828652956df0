import argparse

import pytest

from harness.errors import ConfigError
from harness.executors.place import Limits, Place, add_place, device_groups, devices, place_of, workers_of


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_place(parser)
    return parser.parse_args(arguments)


def test_what_is_not_said_is_this_machine_without_limits():
    place = place_of(parsed())

    assert place == Place("local", Limits(None, None, 300.0), "auto", 0.0, 0)


def test_limits_and_a_cluster_are_taken_from_the_arguments():
    ray = ("--executor", "ray", "--address", "ray://head:10001", "--gpus-per-run", "0.25")

    place = place_of(parsed("--limit-seconds", "90", "--limit-memory", "1.5", *ray))

    assert place == Place("ray", Limits(90.0, 3 << 29), "ray://head:10001", 0.25, 0)


@pytest.mark.parametrize(
    "arguments", [("--workers", "0"), ("--limit-seconds", "0"), ("--limit-memory", "nan"), ("--gpus-per-run", "1.5")]
)
def test_amounts_that_make_no_sense_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        parsed(*arguments)

    assert "must be" in capsys.readouterr().err


def test_what_else_a_run_takes_of_a_node_is_read_by_name():
    asked = ("--executor", "ray", "--resources-per-run", "big_disk=1, accelerator_type:H100=0.001")

    assert place_of(parsed(*asked)).resources == (("big_disk", 1.0), ("accelerator_type:H100", 0.001))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("big_disk", "must be NAME=AMOUNT[,NAME=AMOUNT], got 'big_disk'"),
        ("a=1,", "must be NAME=AMOUNT[,NAME=AMOUNT], got ''"),
        ("=1", "got '=1'"),
        ("a=1,a=2", "names a twice"),
        ("GPU=1", "cannot ask for GPU: give --gpus-per-run"),
        ("a=0", "a must be a fraction of one, at least 0.0001, or a whole number, got 0"),
        ("a=1.5", "got 1.5"),
        ("a=inf", "got inf"),
        ("a=much", "got much"),
    ],
)
def test_resources_that_make_no_sense_are_refused(text, reason, capsys):
    with pytest.raises(SystemExit):
        parsed("--executor", "ray", "--resources-per-run", text)

    assert reason in " ".join(capsys.readouterr().err.split())


def test_resources_are_refused_for_this_machine():
    with pytest.raises(ConfigError, match="--resources-per-run is for --executor ray, got --executor local"):
        place_of(parsed("--resources-per-run", "big_disk=1"))


@pytest.mark.parametrize(("visible", "expected"), [("0,2", ("0", "2")), ("", ()), ("-1", ()), ("GPU-a", ("GPU-a",))])
def test_only_the_visible_devices_are_shared_out(monkeypatch, visible, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert devices() == expected


def test_there_is_a_worker_for_each_device_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")

    assert workers_of(parsed()) == 3
    assert workers_of(parsed("--workers", "5")) == 5


def test_a_worker_has_as_many_devices_as_processes_train_a_run(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4")

    assert device_groups(1) == ("0", "1", "2", "3", "4")
    assert device_groups(2) == ("0,1", "2,3")
    assert device_groups(5) == ("0,1,2,3,4",)
    assert workers_of(parsed("--processes-per-run", "2")) == 2
    assert place_of(parsed("--processes-per-run", "2")).processes == 2


def test_fewer_devices_than_processes_are_refused_and_none_are_not(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(ConfigError, match="--processes-per-run 2 needs as many GPUs, and 1 can be used here"):
        device_groups(2)

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert device_groups(2) == ()
    assert workers_of(parsed("--processes-per-run", "3")) == 2


def test_the_driver_is_asked_for_devices_where_none_are_named(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho GPU-a; echo GPU-b\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert devices() == ("GPU-a", "GPU-b")
