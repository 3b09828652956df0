"""Rows and their numbers."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.sources.problems import Problems
from harness.sources.row_files import read_rows


@pytest.mark.parametrize(
    ("name", "content", "numbers"),
    [
        ("a.jsonl", b'\xef\xbb\xbf{"x": "1"}\n\n{"x": "2"}\n', [1, 3]),
        ("a.csv", b"x\r\n1\r\n2\r\n", [2, 3]),
        ("a.csv", b'\xef\xbb\xbfx\n"1"\n2\n', [2, 3]),
        ("a.tsv", b"x\ty\n1\t0\n2\t0\n", [2, 3]),
    ],
)
def test_rows_are_numbered_as_an_editor_numbers_lines(tmp_path, name, content, numbers):
    path = tmp_path / name
    path.write_bytes(content)

    found = list(read_rows(path, Problems("here")))

    assert [number for number, _ in found] == numbers
    assert [row["x"] for _, row in found] == ["1", "2"]


def test_parquet_is_read_in_batches_with_running_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.sources.row_files._BATCH", 2)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [1, 2, 3, None, 5]}), path)

    assert [(number, row["x"]) for number, row in read_rows(path, Problems("here"))] == [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, None),
        (5, 5),
    ]


def test_a_line_that_breaks_over_several_is_one_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('x,y\n"one\ntwo",2\n', encoding="utf-8")

    assert [row["x"] for _, row in read_rows(path, Problems("here"))] == ["one\ntwo"]


def test_deep_nesting_is_a_mistake_of_its_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("[" * 100_000 + "\n" + json.dumps({"x": "1"}) + "\n", encoding="utf-8")
    problems = Problems("here")

    assert [row["x"] for _, row in read_rows(path, problems)] == ["1"]
    assert problems
