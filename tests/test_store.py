import errno
import json
import multiprocessing
import os
from pathlib import Path

import pytest

from harness.errors import StorageError
from harness.store import Store, writable, write_file


def build_with(text: str, calls: list[str]):
    def build(folder: Path) -> None:
        calls.append(text)
        (folder / "content.txt").write_text(text)

    return build


def test_an_artefact_is_built_once_and_then_read(tmp_path):
    store, calls = Store(tmp_path), []

    first = store.fetch("pool", "k", build_with("one", calls))
    second = store.fetch("pool", "k", build_with("two", calls))

    assert (first, calls) == (second, ["one"])
    assert (second / "content.txt").read_text() == "one"
    assert store.holds("pool", "k")
    assert not store.holds("pool", "other")


@pytest.mark.parametrize("damage", ["truncate", "flip", "delete", "manifest"])
def test_a_damaged_artefact_is_set_aside_and_built_anew(tmp_path, damage, caplog):
    store, calls = Store(tmp_path), []
    folder = store.fetch("pool", "k", build_with("content", calls))
    file = folder / "content.txt"
    if damage == "truncate":
        file.write_text("con")
    elif damage == "flip":
        file.write_text("Content")
    elif damage == "delete":
        file.unlink()
    else:
        (folder / "manifest.json").write_text("{")

    again = store.fetch("pool", "k", build_with("content", calls))

    assert (again / "content.txt").read_text() == "content"
    assert calls == ["content", "content"]
    assert len(list((tmp_path / "pool").glob("damaged-k-*"))) == 1
    assert "is damaged" in caplog.text


def test_a_build_that_fails_leaves_nothing(tmp_path):
    def fail(folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Store(tmp_path).fetch("pool", "k", fail)

    assert [path.name for path in (tmp_path / "pool").iterdir()] == ["k.lock"]


def test_a_draft_left_by_a_killed_process_is_removed(tmp_path):
    abandoned = tmp_path / "pool" / ".k-abandoned"
    abandoned.mkdir(parents=True)

    Store(tmp_path).fetch("pool", "k", build_with("x", []))

    assert not abandoned.exists()


def test_a_full_disk_is_named(tmp_path):
    def fill(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StorageError, match=r"cannot write .*k: the disk is full"):
        Store(tmp_path).fetch("pool", "k", fill)


def test_a_place_that_is_no_folder_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="cannot write"):
        writable(tmp_path / "file" / "inside")


def slow_build(folder: Path) -> None:
    count = folder.parent / "count"
    count.write_text(count.read_text() + "x" if count.exists() else "x")
    (folder / "content.txt").write_text("content")


def fetch_in_process(root: str) -> None:
    Store(Path(root)).fetch("pool", "k", slow_build)


def test_of_two_processes_one_builds_and_the_other_waits(tmp_path):
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=fetch_in_process, args=(str(tmp_path),)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()

    assert (tmp_path / "pool" / "count").read_text() == "x"
    assert json.loads((tmp_path / "pool" / "k" / "manifest.json").read_text()).keys() == {"content.txt"}


def test_a_file_is_replaced_whole_or_left_as_it_was(tmp_path, monkeypatch):
    file = write_file(tmp_path / "deep" / "report.pdf", b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(StorageError, match=r"report\.pdf: the disk is full"):
            write_file(file, b"new")

    assert file.read_bytes() == b"old"
    assert [path.name for path in file.parent.iterdir()] == ["report.pdf"]
    assert write_file(file, b"new").read_bytes() == b"new"
