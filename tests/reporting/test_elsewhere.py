import csv
import io
import re
from pathlib import Path

import pypdf
import pytest
from synthetic import QUICKSTART, Sweep

from harness.reporting.elsewhere import sets_numbers, sets_tables
from harness.reporting.report import write_report
from harness.reporting.results import Results, read_results
from harness.spec import Component

SETS = [
    Component(name="beir_folder", params={"path": f"data/{name}"}) for name in ("scifact", "a|b", "c", "d", "e", "f")
]
SWEEP = Sweep(arms=QUICKSTART[1:4], test=30, dev=10, evaluate=SETS, missing=[("topk", 2)])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read_results(SWEEP.write(tmp_path_factory.mktemp("sets")))


def test_a_sweep_without_further_sets_has_no_table(quickstart: Path) -> None:
    found = read_results(quickstart)

    assert sets_tables(found) == ()
    assert sets_numbers(found) == []


def test_every_arm_has_its_mean_over_seeds_on_every_set(results: Results) -> None:
    table = sets_tables(results)[0]

    assert table.sets == ("scifact", "a|b", "c", "d", "e", "f")
    assert [row.arm for row in table.rows] == ["in-batch", "random", "topk"]
    assert [row.seeds for row in table.rows] == [3, 3, 2]
    for row in table.rows:
        runs = results.cells[row.arm, "docstrings"].runs
        means = [sum(run.metrics[f"test@{name}"]["ndcg_at_10"] for run in runs) / len(runs) for name in table.sets]
        assert row.scores == pytest.approx(means)
        assert row.mean == pytest.approx(sum(means) / 6)
        assert row.own == pytest.approx(sum(run.metrics["test"]["ndcg_at_10"] for run in runs) / len(runs))


def test_a_set_is_found_though_its_folder_was_called_otherwise_when_it_was_measured(tmp_path: Path) -> None:
    folder = SWEEP.write(tmp_path)
    plan = folder / "plan.json"
    plan.write_text(plan.read_text().replace("data/scifact", "elsewhere/renamed"))

    moved = sets_tables(read_results(folder))[0]

    assert moved.sets[0] == "renamed"
    assert all(row.scores[0] is not None for row in moved.rows)


def test_a_run_that_lacks_a_set_leaves_a_gap(tmp_path: Path) -> None:
    folder = SWEEP.write(tmp_path)
    record = next(iter(sorted((folder / "runs").glob("*/record.json"))))
    record.write_text(record.read_text().replace('"test@c"', '"test@gone"'))

    rows = sets_tables(read_results(folder))[0].rows

    assert [row.scores.count(None) for row in rows if row.mean is None] == [1]
    assert sum(row.mean is None for row in rows) == 1


def test_the_files_hold_the_table(results: Results, tmp_path: Path) -> None:
    paths = write_report(SWEEP.write(tmp_path / "sets"), tmp_path / "reports")

    files = {path.name: path.read_text() for path in paths.tables if path.suffix != ".parquet"}
    lines = list(csv.DictReader(io.StringIO(files["sets.csv"])))
    table = sets_tables(results)[0]
    assert [(line["arm"], line["set"]) for line in lines] == [
        (row.arm, name) for row in table.rows for name in table.sets
    ]
    assert [float(line["mean"]) for line in lines] == pytest.approx(
        [score for row in table.rows for score in row.scores], rel=1e-5
    )
    assert r"| a\|b |" in files["sets.md"]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in files["sets.md"].splitlines() if line[:1] == "|"} == {5, 9}
    assert {line.count("&") for line in files["sets.tex"].splitlines() if line.startswith("{")} == {3, 7}


def test_the_report_prints_the_sets_a_few_abreast(tmp_path: Path) -> None:
    paths = write_report(SWEEP.write(tmp_path / "sets"), tmp_path / "reports")

    text = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pypdf.PdfReader(paths.pdf).pages))
    assert "Further evaluation sets" in text
    assert "Mean of sets" in text
    assert text.count("on the test split of further sets") == 2
    assert {path.name for path in paths.tables} >= {"sets.md", "sets.csv", "sets.tex"}
