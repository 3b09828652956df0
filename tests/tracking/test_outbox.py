from pathlib import Path

import pytest

from harness.errors import StorageError
from harness.tracking.destination import Destination
from harness.tracking.outbox import NAME, POSITION, Outbox, entries_after, read_position, write_position
from harness.tracking.process import unsent


def written(folder: Path, position: int = 0) -> list[tuple[str, str]]:
    return [(entry.kind, entry.run) for entry, _ in entries_after(folder, position)]


def fill(folder: Path, *runs: str) -> None:
    with Outbox(folder) as outbox:
        for run in runs:
            outbox.append("finished", run=run)


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    with Outbox(tmp_path) as outbox:
        outbox.append("planned")
        outbox.append("failed", run="a")
        outbox.append("finished", run="a")

    assert written(tmp_path) == [("planned", ""), ("failed", "a"), ("finished", "a")]


def test_a_finished_run_is_there_once_and_a_failure_as_often_as_it_happens(tmp_path: Path) -> None:
    fill(tmp_path, "a", "a")

    with Outbox(tmp_path) as outbox:
        outbox.append("finished", run="a")
        outbox.append("failed", run="b")
        outbox.append("failed", run="b")

    assert written(tmp_path) == [("finished", "a"), ("failed", "b"), ("failed", "b")]


def test_a_torn_last_line_is_cut_and_the_next_entry_is_whole(tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    whole = (tmp_path / NAME).read_bytes()

    for length in range(whole.index(b"\n") + 1, len(whole)):
        (tmp_path / NAME).write_bytes(whole[:length])
        assert written(tmp_path) == [("finished", "a")]
        fill(tmp_path, "c")
        assert written(tmp_path) == [("finished", "a"), ("finished", "c")]


def test_reading_goes_on_behind_the_position(tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    behind = [position for _, position in entries_after(tmp_path, 0)]

    assert written(tmp_path, behind[0]) == [("finished", "b")]
    assert written(tmp_path, behind[1]) == []
    assert behind[1] == (tmp_path / NAME).stat().st_size


def test_a_damaged_line_is_refused_with_a_way_out(tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes().replace(b'"finished"', b'"unknown1"', 1))

    with pytest.raises(StorageError, match=r"outbox.jsonl is damaged before byte \d+: .*--rebuild"):
        written(tmp_path)


@pytest.mark.parametrize(
    "harm", [b"\0" * 40 + b"\n", b'{"kind":"fin\n', b'{"kind":"planned","at":1.0}{"kind":"planned","at":1.0}\n']
)
@pytest.mark.parametrize("place", [0, 1])
def test_a_damaged_outbox_is_set_aside_when_opened_and_everything_is_sent_again(
    tmp_path: Path, harm: bytes, place: int
) -> None:
    fill(tmp_path, "a", "b")
    path = tmp_path / NAME
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(damaged := b"".join([*lines[:place], harm, *lines[place:]]))
    write_position(tmp_path, "here", len(lines[0]))

    fill(tmp_path, "a", "b", "c")

    assert written(tmp_path) == [("finished", "a"), ("finished", "b"), ("finished", "c")]
    assert read_position(tmp_path, "here") == 0
    assert [aside.read_bytes() for aside in (tmp_path / "damaged").rglob(NAME)] == [damaged]


def test_each_destination_has_its_position(tmp_path: Path) -> None:
    fill(tmp_path, "a")

    write_position(tmp_path, "one", 3)
    write_position(tmp_path, "two", 5)

    assert [read_position(tmp_path, name) for name in ("one", "two", "three")] == [3, 5, 0]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"one": "x"}', '{"one": -1}', '{"one": 100000}'])
def test_a_position_that_cannot_be_trusted_is_the_beginning(tmp_path: Path, content: str) -> None:
    fill(tmp_path, "a")
    (tmp_path / POSITION).write_text(content)

    assert read_position(tmp_path, "one") == 0


@pytest.mark.parametrize("size", [0, 10, None])
def test_a_position_beyond_an_outbox_that_has_become_shorter_or_is_gone_is_forgotten(
    tmp_path: Path, size: int | None
) -> None:
    fill(tmp_path, "a", "b")
    path = tmp_path / NAME
    write_position(tmp_path, "here", path.stat().st_size)
    write_position(tmp_path, "there", 0)
    if size is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:size])

    fill(tmp_path, "a", "b", "c")

    assert read_position(tmp_path, "here") == 0
    assert written(tmp_path, read_position(tmp_path, "here")) == [
        ("finished", "a"),
        ("finished", "b"),
        ("finished", "c"),
    ]


def test_a_position_at_the_end_of_the_outbox_stands_when_it_is_opened_again(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    size = (tmp_path / NAME).stat().st_size
    write_position(tmp_path, "here", size)

    fill(tmp_path, "a", "b")

    assert read_position(tmp_path, "here") == size


def test_an_outbox_that_is_damaged_after_all_is_told_and_does_not_end_a_sweep(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"\0\n")

    assert unsent(tmp_path, Destination(tmp_path)).startswith(f"MLflow: {tmp_path / NAME} is damaged before byte 2")


def test_no_secret_of_an_answer_reaches_the_outbox(tmp_path: Path) -> None:
    with Outbox(tmp_path) as outbox:
        outbox.append("reported", answer="See https://me:hunter2@host/x?token=abcdef")

    text = (tmp_path / NAME).read_text()
    assert "hunter2" not in text
    assert "abcdef" not in text


def test_files_are_named_from_the_results_folder(tmp_path: Path) -> None:
    results = tmp_path / "results" / "toy"
    results.mkdir(parents=True)

    with Outbox(results) as outbox:
        outbox.append("reported", files=(tmp_path / "reports" / "toy" / "report.pdf",))

    (entry, _), *_ = entries_after(results, 0)
    assert entry.files == ("../../reports/toy/report.pdf",)


def test_an_outbox_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()

    with pytest.raises(StorageError, match=r"cannot write .*outbox.jsonl"):
        Outbox(tmp_path)
