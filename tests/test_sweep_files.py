"""The points of a search, as they are kept while it goes on."""

import pytest
from search_folders import TEMPLATE

from harness.errors import StorageError
from harness.spec import PlannedRun
from harness.sweep_files import Point, PointsFile, read_points, read_points_file, write_points

KEPT = "points.jsonl"


def point(number: int, share: float = 0.5) -> Point:
    run = PlannedRun(fingerprint=f"{number:016x}", arm=f"tuned #{number}", dataset="toy", seed=0)
    return Point(number=number, values={"miner.share": share}, arm=TEMPLATE, runs=(run,))


def test_a_further_point_is_written_behind_the_others_and_leaves_them_alone(tmp_path):
    write_points(tmp_path, [point(0)])
    before = (tmp_path / KEPT).stat().st_ino

    file = PointsFile(tmp_path)
    file.put(1, point(1))
    file.put(2, point(2))

    assert (tmp_path / KEPT).stat().st_ino == before  # a file that is written anew takes its place as another
    assert read_points(tmp_path) == [point(0), point(1), point(2)]


def test_a_point_that_is_there_is_not_written_again(tmp_path):
    file = PointsFile(tmp_path)
    file.put(0, point(0))
    before = (tmp_path / KEPT).stat()

    PointsFile(tmp_path).put(0, point(0))
    file.put(0, point(0))

    assert (tmp_path / KEPT).stat().st_mtime_ns == before.st_mtime_ns


def test_a_point_that_has_changed_takes_its_place_and_others_follow_it(tmp_path):
    write_points(tmp_path, [point(0), point(1)])

    file = PointsFile(tmp_path)
    file.put(0, point(0, share=0.75))
    file.put(2, point(2))

    assert read_points(tmp_path) == [point(0, share=0.75), point(1), point(2)]


def test_points_behind_are_cut_off_and_others_written_there(tmp_path):
    write_points(tmp_path, [point(0), point(1), point(2)])

    file = PointsFile(tmp_path)
    file.cut(1)
    file.put(1, point(7))

    assert read_points(tmp_path) == [point(0), point(7)]


def test_a_search_without_points_leaves_an_empty_list(tmp_path):
    PointsFile(tmp_path).cut(0)

    assert (tmp_path / KEPT).read_bytes() == b""


def test_a_torn_last_line_is_left_out_and_written_over(tmp_path):
    write_points(tmp_path, [point(0), point(1)])
    path = tmp_path / KEPT
    path.write_bytes(path.read_bytes()[:-1])

    assert read_points(tmp_path) == [point(0)]
    PointsFile(tmp_path).put(1, point(1, share=0.25))

    assert read_points(tmp_path) == [point(0), point(1, share=0.25)]
    assert path.read_bytes().count(b"\n") == 2


def test_a_list_that_a_person_gives_may_end_without_a_newline_but_not_within_a_point(tmp_path):
    write_points(tmp_path, [point(0), point(1)])
    path = tmp_path / KEPT
    path.write_bytes(path.read_bytes()[:-1])
    assert read_points_file(path) == [point(0), point(1)]

    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageError, match="holds a line that is no point"):
        read_points_file(path)
