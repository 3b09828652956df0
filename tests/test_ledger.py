import hashlib
import json
import shutil
import time
from pathlib import Path

import pytest

from harness.arguments import component
from harness.errors import StorageError
from harness.ledger import Entry, Ledger
from harness.record import Attempt, Failure, RunRecord, write_record
from harness.registry import BASES
from harness.sources.synthetic import Synthetic
from harness.spec import ArmSpec, Component, RunSpec


def spec(seed: int = 0) -> RunSpec:
    arm = ArmSpec(name="a", base=component(BASES, "static", {}), max_length=32, mining=None, training=None)
    return RunSpec(arm=arm, dataset=Component(name=Synthetic.__name__, params={}), seed=seed, identities={})


def left(folder: Path, seed: int = 0, *, failed: bool = False, seconds: float = 2.0, **more: object) -> str:
    run = spec(seed)
    failure = Failure(kind="DataError", message="no data") if failed else None
    record = RunRecord(
        status="failed" if failed else "finished",
        fingerprint=run.fingerprint,
        spec=run,
        timings={"load": 0.5, "train": seconds - 0.5},
        failure=failure,
        **more,
    )
    write_record(folder / "runs", record, None)
    return run.fingerprint


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def test_an_ended_attempt_is_one_line_with_the_digest_of_its_record(tmp_path):
    ledger = Ledger(tmp_path)
    fingerprint = left(tmp_path)

    ledger.add(fingerprint, token=3)
    ledger.add(fingerprint, token=3)

    sum_ = hashlib.sha256((tmp_path / "runs" / fingerprint / "record.json").read_bytes()).hexdigest()
    entry = Entry(fingerprint=fingerprint, status="finished", attempt=1, token=3, digest=sum_, seconds=2.0, device="")
    assert lines(tmp_path) == [entry.model_dump()]
    assert Ledger(tmp_path).finished(fingerprint)


def test_a_failed_attempt_is_left_to_do_and_the_next_one_counts_on(tmp_path):
    ledger = Ledger(tmp_path)
    fingerprint = left(tmp_path, failed=True)
    ledger.add(fingerprint)
    assert not Ledger(tmp_path).finished(fingerprint)

    left(tmp_path)
    ledger.add(fingerprint)

    assert [(line["status"], line["attempt"]) for line in lines(tmp_path)] == [("failed", 1), ("finished", 2)]
    assert ledger.finished(fingerprint)


def test_a_record_that_was_written_just_before_a_crash_gets_its_line_at_the_next_start(tmp_path):
    first, second = left(tmp_path, 0), left(tmp_path, 1, failed=True)

    ledger = Ledger(tmp_path)

    assert (ledger.finished(first), ledger.finished(second)) == (True, False)
    assert {line["fingerprint"]: line["status"] for line in lines(tmp_path)} == {first: "finished", second: "failed"}
    before = (tmp_path / "ledger.jsonl").read_bytes()
    Ledger(tmp_path)
    assert (tmp_path / "ledger.jsonl").read_bytes() == before


def test_a_later_attempt_whose_line_a_crash_took_is_found_behind_a_failure(tmp_path):
    fingerprint = left(tmp_path, failed=True)
    Ledger(tmp_path)
    left(tmp_path)

    assert Ledger(tmp_path).finished(fingerprint)
    assert [line["attempt"] for line in lines(tmp_path)] == [1, 2]


@pytest.mark.parametrize("torn", ["", "{", '{"fingerprint": "00'])
def test_a_torn_last_line_is_cut_before_the_next_is_added(tmp_path, torn):
    first = left(tmp_path, 0)
    Ledger(tmp_path)
    whole = (tmp_path / "ledger.jsonl").read_text()
    (tmp_path / "ledger.jsonl").write_text(whole + torn)
    second = left(tmp_path, 1)

    ledger = Ledger(tmp_path)

    assert (tmp_path / "ledger.jsonl").read_text().startswith(whole + '{"fingerprint":"' + second)
    assert [line["fingerprint"] for line in lines(tmp_path)] == [first, second]
    assert ledger.finished(first)
    assert ledger.finished(second)


def test_a_line_torn_of_its_newline_alone_is_written_again(tmp_path):
    fingerprint = left(tmp_path)
    Ledger(tmp_path)
    whole = (tmp_path / "ledger.jsonl").read_bytes()
    (tmp_path / "ledger.jsonl").write_bytes(whole[:-1])

    Ledger(tmp_path)

    assert (tmp_path / "ledger.jsonl").read_bytes() == whole
    assert lines(tmp_path)[0]["fingerprint"] == fingerprint


def test_a_record_that_is_not_the_ledgers_is_told_with_both_digests(tmp_path):
    fingerprint = left(tmp_path)
    ledger = Ledger(tmp_path)
    path = tmp_path / "runs" / fingerprint / "record.json"
    expected = lines(tmp_path)[0]["digest"]
    assert ledger.record(fingerprint).status == "finished"
    path.write_text(path.read_text().replace("finished", "finished "))
    found = hashlib.sha256(path.read_bytes()).hexdigest()

    with pytest.raises(StorageError) as told:
        Ledger(tmp_path).record(fingerprint)

    assert str(path) in str(told.value)
    assert found in str(told.value)
    assert expected in str(told.value)


def test_a_run_whose_folder_was_deleted_is_left_to_do(tmp_path):
    fingerprint = left(tmp_path)
    Ledger(tmp_path)
    shutil.rmtree(tmp_path / "runs" / fingerprint)

    ledger = Ledger(tmp_path)

    assert not ledger.finished(fingerprint)
    left(tmp_path, seconds=3.0)
    ledger.add(fingerprint)
    assert ledger.finished(fingerprint)
    assert [(line["attempt"], line["seconds"]) for line in lines(tmp_path)] == [(1, 2.0), (2, 3.0)]


def torn(first: bytes, second: bytes) -> bytes:
    return first[:20] + b"\n" + second


def glued(first: bytes, second: bytes) -> bytes:
    return first.rstrip() + second


def zeroed(first: bytes, second: bytes) -> bytes:
    return b"\0" * (len(first) - 1) + b"\n" + second


def zeroed_at_the_end(first: bytes, second: bytes) -> bytes:
    return first + b"\0" * (len(second) - 1) + b"\n"


@pytest.mark.parametrize("harm", [torn, glued, zeroed, zeroed_at_the_end])
def test_a_damaged_ledger_is_set_aside_and_begun_anew_with_what_can_be_read(tmp_path, caplog, harm):
    failed_first = left(tmp_path, 0, failed=True)
    Ledger(tmp_path)
    earlier = (Attempt(kind="DataError", message="no data", seconds=2.0),)
    left(tmp_path, 0, earlier=earlier)
    other = left(tmp_path, 1)
    Ledger(tmp_path)
    path = tmp_path / "ledger.jsonl"
    lost, *kept = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(damaged := harm(kept[0], kept[1]))

    ledger = Ledger(tmp_path)

    attempts = {line["fingerprint"]: line["attempt"] for line in lines(tmp_path)}
    assert attempts == {failed_first: 2, other: 1}
    assert ledger.finished(failed_first)
    assert ledger.finished(other)
    assert [aside.read_bytes() for aside in (tmp_path / "damaged").rglob("ledger.jsonl")] == [damaged]
    assert "is no entry of a ledger" in caplog.text
    whole = path.read_bytes()
    Ledger(tmp_path)
    assert path.read_bytes() == whole
    assert lost.startswith(b'{"fingerprint"')


def test_zeros_behind_the_last_line_are_cut_before_the_next_is_added(tmp_path):
    first = left(tmp_path, 0)
    Ledger(tmp_path)
    with (tmp_path / "ledger.jsonl").open("ab") as file:
        file.write(b"\0" * 300)
    second = left(tmp_path, 1)

    Ledger(tmp_path)

    assert [line["fingerprint"] for line in lines(tmp_path)] == [first, second]
    assert not (tmp_path / "damaged").exists()


def test_what_is_left_of_ten_thousand_runs_is_known_without_reading_their_records(tmp_path):
    names = [f"{number:016x}" for number in range(10_000)]
    entry = Entry(fingerprint="", status="finished", attempt=1, token=1, digest="0" * 64, seconds=1.0, device="cpu")
    (tmp_path / "ledger.jsonl").write_text(
        "".join(entry.model_copy(update={"fingerprint": name}).model_dump_json() + "\n" for name in names)
    )
    for name in names[:9_000]:
        (tmp_path / "runs" / name).mkdir(parents=True)
    start = time.perf_counter()

    ledger = Ledger(tmp_path)
    done = sum(ledger.finished(name) for name in names)

    assert done == 9_000
    assert time.perf_counter() - start < 2
