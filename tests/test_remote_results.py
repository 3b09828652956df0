"""A sweep's results on object storage: what is brought, what is put, and what is refused."""

import json

import pandas as pd
import pytest
from search_folders import sweep
from shaky_storage import ShakyStorage, fresh

from harness.errors import StorageError
from harness.ledger import Ledger
from harness.plan import expand, make_plan
from harness.record import PER_QUERY_COLUMNS, Failure, RunRecord, read_record, write_record
from harness.remote.growing import joined
from harness.remote.results import RemoteResults
from harness.sums import write_file_and_sum

SPECS = [spec for _, spec in expand(sweep(seeds=(0, 1)).arms, sweep(seeds=(0, 1)))]
FIRST, SECOND = (spec.fingerprint for spec in SPECS[:2])


@pytest.fixture
def place(monkeypatch):
    return fresh(monkeypatch)


def ran(folder, number=0, *, seconds=1.0, status="finished"):
    """Leave a run in a sweep's folder, and its line in the ledger."""
    spec = SPECS[number]
    failure = Failure(kind="NumericError", message="nan") if status == "failed" else None
    record = RunRecord(
        status=status, fingerprint=spec.fingerprint, spec=spec, timings={"train": seconds}, failure=failure
    )
    rows = pd.DataFrame([["dev", "q", 1, *[0.5] * (len(PER_QUERY_COLUMNS) - 3)]], columns=list(PER_QUERY_COLUMNS))
    write_record(folder / "runs", record, None if failure else rows)
    Ledger(folder)
    return folder / "runs" / spec.fingerprint


def shared(place, folder):
    results = RemoteResults(place, folder)
    results.bring()
    return results


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def one(place, tmp_path):
    """Return the folder of the first machine, all of it put."""
    folder = tmp_path / "one/toy"
    ran(folder)
    write_file_and_sum(folder / "queries/abc/queries.parquet", b"table")
    lock = "2c26b46b68ffc68f.lock"  # the SHA-256 of `foo` begins so
    for name, content in {f"environment/{lock}": "foo", "plans/0123.json": "{}", "points.jsonl": "1\n"}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    assert shared(place, folder).put_all() == 0
    return folder


def test_another_machine_gets_all_that_was_put(place, one, tmp_path):
    two = tmp_path / "two/toy"

    shared(place, two)

    assert files(two) == files(one)
    assert Ledger(two).finished(FIRST)


def test_what_is_here_is_neither_fetched_nor_put_again(place, one):
    ShakyStorage.calls.clear()

    assert shared(place, one).put_all() == 0

    assert {operation for operation, _ in ShakyStorage.calls} == {"list", "read"}
    assert not [path for _, path in ShakyStorage.calls if path.endswith((".parquet", "record.json", ".lock"))]


def test_what_was_put_is_not_put_again_by_the_same_process(place, one):
    results = shared(place, one)
    (one / "plans/4567.json").write_text("{}")
    results.put_all()
    ShakyStorage.calls.clear()

    results.put_all()

    assert {operation for operation, _ in ShakyStorage.calls} == {"read"}


def test_only_what_others_go_on_from_is_put(place, one):
    (one / ".leases").mkdir()
    for name in ("logs.txt", ".lock", ".leases/x.json", "runs/.DS_Store", f"runs/{FIRST}/.DS_Store"):
        (one / name).write_text("x")
    before = ShakyStorage.files()

    ran(one, 1)
    shared(place, one).put_all()

    added = set(ShakyStorage.files()) - set(before)
    assert added == {f"results/toy/runs/{SECOND}/{name}" for name in ("SHA256SUMS", "per_query.parquet", "record.json")}


def test_a_run_is_put_with_its_checksums_last(place, tmp_path):
    folder = tmp_path / "toy"
    ran(folder)
    results = shared(place, folder)
    ShakyStorage.calls.clear()

    results.put_run(FIRST)

    written = [path.rpartition("/")[2] for operation, path in ShakyStorage.calls if operation == "write"]
    assert written == ["per_query.parquet", "record.json", "SHA256SUMS"]


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_a_run_whose_upload_was_cut_off_is_not_brought(place, tmp_path, killed_after):
    folder, two = tmp_path / "one/toy", tmp_path / "two/toy"
    ran(folder)
    results = shared(place, folder)
    ShakyStorage.calls.clear()

    def refuse(operation, path):
        if operation == "write" and sum(kind == "write" for kind, _ in ShakyStorage.calls) > killed_after:
            raise KeyboardInterrupt

    ShakyStorage.set_refusal(refuse)
    with pytest.raises(KeyboardInterrupt):
        results.put_run(FIRST)
    ShakyStorage.set_refusal()
    shared(place, two)

    assert not (two / "runs").exists()


def test_a_failed_run_that_was_replaced_halfway_does_not_count(place, tmp_path):
    folder, two = tmp_path / "one/toy", tmp_path / "two/toy"
    ran(folder, status="failed")
    results = shared(place, folder)
    results.put_run(FIRST)
    ran(folder)

    def refuse(operation, path):
        if operation == "write" and path.endswith("record.json"):
            raise KeyboardInterrupt

    ShakyStorage.set_refusal(refuse)
    with pytest.raises(KeyboardInterrupt):
        results.put_run(FIRST)
    ShakyStorage.set_refusal()
    shared(place, two)

    assert not (two / "runs").exists()


@pytest.mark.parametrize("file", ["record.json", "per_query.parquet", "SHA256SUMS"])
def test_a_run_damaged_there_is_not_brought_and_put_anew(place, one, tmp_path, caplog, file):
    two, three = tmp_path / "two/toy", tmp_path / "three/toy"
    ShakyStorage.spoil(f"results/toy/runs/{FIRST}/{file}")

    results = shared(place, two)
    brought = (two / "runs" / FIRST).exists()
    ran(two, seconds=2.0)
    assert results.put_all() == 0
    shared(place, three)

    assert not brought
    assert "not brought" in caplog.text
    assert read_record(three / "runs" / FIRST).timings == {"train": 2.0}
    assert [path.name for path in (two / "runs").iterdir()] == [FIRST]


def test_a_run_under_the_name_of_another_is_damage(place, one, tmp_path):
    for name in ("record.json", "per_query.parquet", "SHA256SUMS"):
        place.write(f"results/toy/runs/{SECOND}/{name}", ShakyStorage.content(f"results/toy/runs/{FIRST}/{name}"))

    shared(place, tmp_path / "two/toy")

    assert [path.name for path in (tmp_path / "two/toy/runs").iterdir()] == [FIRST]


def test_two_finished_contents_of_one_run_are_an_error_that_names_both(place, one, tmp_path):
    two = tmp_path / "two/toy"
    mine = ran(two, seconds=2.0)
    before = files(mine)
    digests = [json.loads((folder / "ledger.jsonl").read_text())["digest"] for folder in (two, one)]

    with pytest.raises(StorageError, match="carried out twice") as caught:
        shared(place, two)

    assert all(digest in str(caught.value) for digest in digests)
    assert files(mine) == before


def test_a_finished_run_here_stays_where_it_failed_there_and_is_put(place, tmp_path):
    one, two, three = (tmp_path / name / "toy" for name in ("one", "two", "three"))
    ran(one, status="failed")
    shared(place, one).put_all()
    ran(two)

    shared(place, two).put_all()
    shared(place, three)

    assert [read_record(folder / "runs" / FIRST).status for folder in (two, three)] == ["finished", "finished"]


def test_a_finished_run_there_takes_the_place_of_a_failure_here(place, one, tmp_path):
    two = tmp_path / "two/toy"
    ran(two, status="failed")

    shared(place, two)
    ledger = Ledger(two)

    assert ledger.finished(FIRST)
    assert ledger.record(FIRST).status == "finished"


def test_a_run_brought_behind_the_ledger_is_entered(place, tmp_path):
    one, two = tmp_path / "one/toy", tmp_path / "two/toy"
    ran(one)
    results = shared(place, one)
    results.put_run(FIRST)  # killed before the ledger was put

    shared(place, two)

    assert not (two / "ledger.jsonl").exists()
    assert Ledger(two).finished(FIRST)


@pytest.mark.parametrize("name", ["queries/abc/queries.parquet", "environment/2c26b46b68ffc68f.lock"])
def test_a_table_damaged_there_is_not_brought(place, one, tmp_path, caplog, name):
    ShakyStorage.spoil(f"results/toy/{name}")

    shared(place, tmp_path / "two/toy")

    assert not (tmp_path / "two/toy" / name).exists()
    assert "not brought" in caplog.text


def test_strange_names_there_lead_nowhere(place, one, tmp_path):
    for name in ("runs/../../evil/SHA256SUMS", "environment/../evil.lock", "runs/.x/SHA256SUMS", "plans/a/b"):
        ShakyStorage.store[f"/bucket/team/results/toy/{name}"] = ShakyStorage.store[
            "/bucket/team/results/toy/points.jsonl"
        ]

    shared(place, tmp_path / "two/toy")

    assert files(tmp_path / "two/toy") == files(one)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_an_end_of_the_search_that_holds_no_more_is_taken_away(place, one):
    (one / "search.json").write_text("{}")
    shared(place, one).put_all()
    put = "results/toy/search.json" in ShakyStorage.files()
    (one / "search.json").unlink()

    shared(place, one).put_all()

    assert (put, "results/toy/search.json" in ShakyStorage.files()) == (True, False)


@pytest.mark.parametrize("every", [3, 4, 5])
def test_what_could_not_be_put_is_counted_and_put_the_next_time(place, tmp_path, monkeypatch, every):
    one, two = tmp_path / "one/toy", tmp_path / "two/toy"
    ran(one)
    ran(one, 1)
    results = shared(place, one)

    def refuse(operation, path):
        if operation == "write" and len(ShakyStorage.calls) % every == 0:
            raise PermissionError("403")  # which is not tried again

    ShakyStorage.set_refusal(refuse)
    counts = [results.put_all() for _ in range(8)]
    ShakyStorage.set_refusal()
    last = results.put_all()
    shared(place, two)

    assert (max(counts) > 0, last) == (True, 0)
    assert files(two) == files(one)


def plan(*hashes):
    """Return a plan that amends those before its last hash."""
    content = make_plan(sweep()).sweep
    return content.model_copy(update={"hash": hashes[-1], "amends": hashes[:-1]}).model_dump_json().encode()


@pytest.mark.parametrize(
    ("here", "there", "stands"),
    [
        (("a",), ("a", "b"), "there"),
        (("a", "b"), ("a",), "here"),
        (("a", "b"), ("a", "b", "a"), "there"),
        (("a",), ("a", "b", "a"), "there"),
    ],
)
def test_of_two_plans_the_one_stands_that_amends_the_other(here, there, stands):
    assert joined("plan.json", plan(*here), plan(*there)) == plan(*(here if stands == "here" else there))


def test_plans_of_which_neither_amends_the_other_are_an_error_that_names_both():
    with pytest.raises(StorageError, match="hash b here and c on object storage"):
        joined("plan.json", plan("a", "b"), plan("a", "c"))


@pytest.mark.parametrize(
    ("here", "there", "stands"),
    [
        (b"1\n2\n", b"1\n", b"1\n2\n"),
        (b"1\n", b"1\n2\n", b"1\n2\n"),
        (b"1\n3\n", b"1\n2\n", b"1\n2\n3\n"),
        (b"1\n2", b"1\n", b"1\n"),
        (b"1\n", b"1\n{to", b"1\n"),
        (b"", b"1\n", b"1\n"),
    ],
)
def test_of_two_ledgers_every_whole_line_stands_ours_last(here, there, stands):
    assert joined("ledger.jsonl", here, there) == stands


@pytest.mark.parametrize("name", ["points.jsonl", "guard.json"])
def test_of_two_lists_the_longer_stands_and_ours_if_they_are_as_long(name):
    assert joined(name, b"a\n", b"b\nc\n") == b"b\nc\n"
    assert joined(name, b"a\nd\n", b"b\n") == b"a\nd\n"
    assert joined(name, b"a\n", b"b\n") == b"a\n"
