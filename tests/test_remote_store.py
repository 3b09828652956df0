"""Two machines that share a store: what one has built the other brings, checked; what fails is built here."""

import json
import pickle

import pytest
from shaky_storage import ShakyStorage, fresh

from harness.store import Store


@pytest.fixture
def place(monkeypatch):
    return fresh(monkeypatch)


class Build:
    """Fills a folder with two files, and counts how often."""

    def __init__(self, text="content"):
        self.text, self.count = text, 0

    def __call__(self, folder):
        self.count += 1
        (folder / "a.txt").write_text(self.text)
        (folder / "b.txt").write_text(f"{self.text} too")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_second_machine_builds_nothing(place, tmp_path):
    build, never = Build(), Build("other")

    first = Store(tmp_path / "one", place).fetch("pool", "k", build)
    ShakyStorage.calls.clear()
    second = Store(tmp_path / "two", place).fetch("pool", "k", never)

    assert (build.count, never.count) == (1, 0)
    assert contents(second) == contents(first)
    assert {operation for operation, _ in ShakyStorage.calls} == {"read"}
    assert ShakyStorage.files() == ["store/pool/k/a.txt", "store/pool/k/b.txt", "store/pool/k/manifest.json"]


def test_the_manifest_is_put_last(place, tmp_path):
    Store(tmp_path, place).fetch("pool", "k", Build())

    written = [path.rpartition("/")[2] for operation, path in ShakyStorage.calls if operation == "write"]
    assert written == ["a.txt", "b.txt", "manifest.json"]


def test_an_artefact_that_is_here_and_there_is_asked_for_no_more(place, tmp_path):
    store = Store(tmp_path, place)
    store.fetch("pool", "k", Build())
    ShakyStorage.calls.clear()

    store.fetch("pool", "k", Build())

    assert ShakyStorage.calls == []


def test_an_artefact_from_before_it_was_shared_is_put(place, tmp_path):
    Store(tmp_path).fetch("pool", "k", Build())
    unshared = ShakyStorage.files()

    Store(tmp_path, place).fetch("pool", "k", Build())

    assert (unshared, len(ShakyStorage.files())) == ([], 3)


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_an_upload_that_was_cut_off_does_not_count(place, tmp_path, killed_after):
    def refuse(operation, path):
        if operation == "write" and sum(kind == "write" for kind, _ in ShakyStorage.calls) > killed_after:
            raise KeyboardInterrupt

    ShakyStorage.set_refusal(refuse)
    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path / "one", place).fetch("pool", "k", Build())
    ShakyStorage.set_refusal()
    build, never = Build("anew"), Build()

    Store(tmp_path / "two", place).fetch("pool", "k", build)
    third = Store(tmp_path / "three", place).fetch("pool", "k", never)

    assert (build.count, never.count) == (1, 0)
    assert (third / "a.txt").read_text() == "anew"


@pytest.mark.parametrize("file", ["a.txt", "manifest.json"])
def test_what_is_damaged_there_is_built_here_and_put_anew(place, tmp_path, caplog, file):
    Store(tmp_path / "one", place).fetch("pool", "k", Build())
    ShakyStorage.spoil(f"store/pool/k/{file}")
    build, never = Build(), Build()

    second = Store(tmp_path / "two", place).fetch("pool", "k", build)
    Store(tmp_path / "three", place).fetch("pool", "k", never)

    assert (build.count, never.count) == (1, 0)
    assert sorted(contents(second)) == ["a.txt", "b.txt", "manifest.json"]
    assert "is not what was put there: built here" in caplog.text


def test_a_file_that_is_missing_there_is_damage(place, tmp_path):
    Store(tmp_path / "one", place).fetch("pool", "k", Build())
    place.delete("store/pool/k/b.txt")
    build = Build()

    Store(tmp_path / "two", place).fetch("pool", "k", build)

    assert build.count == 1


@pytest.mark.parametrize("name", ["../../../evil.txt", "/tmp/evil.txt", ".hidden", ".."])  # noqa: S108
def test_a_manifest_that_names_files_elsewhere_is_damage(place, tmp_path, name):
    place.write("store/pool/k/manifest.json", json.dumps({name: "0" * 64}).encode())
    build = Build()

    Store(tmp_path / "root", place).fetch("pool", "k", build)

    assert build.count == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]


def test_a_place_that_cannot_be_written_stops_nothing_and_is_caught_up_with(place, tmp_path):
    def refuse(operation, path):
        if operation != "read":
            raise PermissionError("403")

    store = Store(tmp_path, place)
    ShakyStorage.set_refusal(refuse)
    folder = store.fetch("pool", "k", Build())
    while_refused = store.catch_up()
    ShakyStorage.set_refusal()

    assert (folder / "a.txt").read_text() == "content"
    assert (while_refused, store.catch_up()) == (1, 0)
    assert len(ShakyStorage.files()) == 3


def test_artefacts_that_this_machine_built_for_others_are_not_put_unasked(place, tmp_path):
    Store(tmp_path).fetch("pool", "k", Build())

    assert Store(tmp_path, place).catch_up() == 0
    assert ShakyStorage.files() == []


@pytest.mark.parametrize("every", [2, 3, 4, 5])
def test_with_every_so_manieth_call_failing_both_machines_have_the_same(place, tmp_path, every):
    def refuse(operation, path):
        if len(ShakyStorage.calls) % every == 0:
            raise OSError("reset")

    ShakyStorage.set_refusal(refuse)
    build = Build()
    for key in "abcdef":
        here = Store(tmp_path / "one", place).fetch("pool", key, build)
        there = Store(tmp_path / "two", place).fetch("pool", key, build)
        assert contents(here) == contents(there)

    assert build.count == 6


def test_a_shared_store_can_be_pickled(place, tmp_path):
    store = Store(tmp_path, place)

    assert pickle.loads(pickle.dumps(store)) == store  # noqa: S301
