"""What the sections say, from results made to have something to say."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pypdf
import pytest
from synthetic import QUICKSTART, Arm, Sweep, mined

from harness.record import Attempt, read_record
from harness.reporting.blocks import Block, Document, Pairs, Prose, Section, Table, tables_of
from harness.reporting.document import compose
from harness.reporting.facts import facts
from harness.reporting.gallery import Gallery
from harness.reporting.plots.extremes import extremes
from harness.reporting.report import write_report
from harness.reporting.sections.conditions import conditions
from harness.reporting.sections.examples import examples
from harness.reporting.sections.reproduction import reproduction
from harness.reporting.tables import Analysis, analyse
from harness.spec import Amendment, Component

SMALL = Sweep(arms=QUICKSTART[1:5], test=30, dev=10)


def _blocks(section: Section) -> Iterator[Block]:
    yield from section.blocks
    for part in section.parts:
        yield from _blocks(part)


def _said(section: Section) -> str:
    lines = []
    for block in _blocks(section):
        if isinstance(block, Prose):
            lines += ["".join(sentence) for sentence in block.sentences]
        elif isinstance(block, Pairs):
            lines += [f"{what}: {value}" for what, value in block.rows]
        elif isinstance(block, Table):
            lines += [" | ".join(row) for row in block.rows]
    return "\n".join(lines)


def _conditions(analysis: Analysis) -> str:
    return _said(conditions(analysis, facts(analysis.results)))


def _planned(folder: Path, **changes: object) -> Analysis:
    analysis = analyse(folder)
    plan = analysis.results.plan.model_copy(update=changes)
    return replace(analysis, results=replace(analysis.results, plan=plan))


def test_every_number_of_every_table_is_in_the_pdf(tmp_path: Path) -> None:
    folder = replace(SMALL, datasets=("one", "two"), kept=True, failed=[("topk", 1)]).write(tmp_path / "in")

    text = re.sub(r"\s+", "", _pdf(write_report(folder, tmp_path / "out").pdf))

    document = compose(analyse(folder), Gallery())
    tables = [block for block in _every(document) if isinstance(block, Table)]
    assert len(tables) > 12
    for table in tables:
        for row in table.rows:
            for cell in row:
                assert re.sub(r"\s+", "", cell) in text


def _every(document: Document) -> list[Block]:
    return [*document.opening, *(block for section in document.sections for block in _blocks(section))]


def _pdf(path: Path) -> str:
    return "".join(page.extract_text() for page in pypdf.PdfReader(path).pages).replace("\u200b", "")


def test_the_plan_says_what_was_fixed(tmp_path: Path) -> None:
    analysis = _planned(SMALL.write(tmp_path), exclusions=("Queries without a positive are left out.",))

    said = _conditions(analysis)

    assert "Splits: dev tunes and stops, test judges" in said
    assert "Family of comparisons: 3, each arm with topk, adjusted by Holm" in said
    assert "Exclusions: Queries without a positive are left out." in said
    assert "The plan was never amended." in said


def test_amendments_are_shown_oldest_first_with_what_they_changed(tmp_path: Path) -> None:
    known = Amendment(hash="bbb", finished=7, changes=("arm 'random' was added", "seeds 3 and 4 were added"))

    said = _conditions(_planned(SMALL.write(tmp_path), amends=("aaa", "bbb"), amendments=(known,)))

    assert said.index("aaa") < said.index("bbb | 7 | arm 'random' was added; seeds 3 and 4 were added")
    assert "aaa | – | not recorded" in said  # noqa: RUF001


def test_tries_are_told_of_failed_and_of_finished_runs(tmp_path: Path) -> None:
    folder = replace(SMALL, failed=[("random", 1)]).write(tmp_path)
    run = next(run for run in analyse(folder).results.cells["topk", "docstrings"].runs if run.spec.seed == 2)
    path = folder / "runs" / run.fingerprint / "record.json"
    attempt = Attempt(kind="WorkerDiedError", message="the worker process ended with signal SIGKILL", seconds=7200.0)
    path.write_text(read_record(path.parent).model_copy(update={"earlier": (attempt,)}).model_dump_json())

    analysis = analyse(folder)

    said = _conditions(analysis)
    assert "random | docstrings | 1 | 1 | NumericError: the loss is NaN at step 17" in said
    assert "topk | docstrings | 2 | 2 | WorkerDiedError: the worker process ended with signal SIGKILL" in said
    hours = 2.0 + 11 * 16.75 / 3600
    assert f"Device hours: {hours:.3f} h on cpu, failed attempts of finished runs included" in _said(
        reproduction(analysis)
    )


def test_runs_that_share_a_training_are_counted_and_nothing_is_said_where_none_does(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)
    before = _conditions(analyse(folder))
    first, *others = analyse(folder).results.cells["topk", "docstrings"].runs
    for run in others:
        shared = run.model_copy(update={"shared_with": first.fingerprint})
        (folder / "runs" / run.fingerprint / "record.json").write_text(shared.model_dump_json())

    said = _conditions(analyse(folder))

    assert "share" not in before
    assert "2 of 12 runs share the training and evaluation of another one" in said


def test_models_that_run_code_of_their_own_are_named_and_nothing_is_said_where_none_does(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)
    arms = analyse(folder).results.plan.arms
    base = Component(name="encoder", params={"model": "a/b", "revision": "0" * 40, "trust_remote_code": True})

    said = _conditions(_planned(folder, arms=(arms[0].model_copy(update={"base": base}), *arms[1:])))

    assert f"Models that run code of their own: a/b at {'0' * 40}\n" in said
    assert "code of their own" not in _conditions(analyse(folder))


def test_a_sweep_without_failures_says_so(tmp_path: Path) -> None:
    assert "Every planned run finished, at the first attempt." in _conditions(analyse(SMALL.write(tmp_path)))


@pytest.mark.parametrize(
    ("sweep", "line"),
    [
        (SMALL, "All runs reported | yes | 12 of 12 planned runs have numbers"),
        (replace(SMALL, failed=[("topk", 0)]), "All runs reported | NO | 11 of 12 planned runs have numbers"),
        (SMALL, "Several seeds | yes | seeds 0, 1, 2"),
        (replace(SMALL, seeds=(4,)), "Several seeds | NO | seeds 4"),
        (replace(SMALL, baseline=None), "Correction for several comparisons | NO | Holm over the planned family"),
        (SMALL, "Packages locked | partly | versions of the packages that matter; no full list was kept"),
        (SMALL, "Code identified | yes | commit"),
    ],
)
def test_the_checklist_is_answered_from_the_records(sweep: Sweep, line: str, tmp_path: Path) -> None:
    assert line in _said(reproduction(analyse(sweep.write(tmp_path))))


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"lock": "abc"}, "Packages locked | yes | environment/*.lock lists every installed distribution"),
        ({"dirty": True}, "Code identified | NO | some run was made with changes that were not kept"),
        (
            {"dirty": True, "diff": "d"},
            "Code identified | yes | commit, and its uncommitted changes as environment/*.patch",
        ),
        ({"commit": ""}, "Code identified | NO | no commit is known of some run"),
    ],
)
def test_the_checklist_looks_at_every_run(environment: dict[str, object], line: str, tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)
    for path in folder.glob("runs/*/record.json"):
        record = read_record(path.parent)
        here = record.environment.model_copy(update=environment)
        path.write_text(record.model_copy(update={"environment": here}).model_dump_json())

    assert line in _said(reproduction(analyse(folder)))


def test_examples_show_texts_positives_and_rankings(tmp_path: Path) -> None:
    analysis = analyse(replace(SMALL, kept=True).write(tmp_path))
    (data,) = extremes(analysis.results, "random", "topk")

    section = examples(data)

    gained, lost = (block for block in section.blocks if isinstance(block, Table))
    first = data.gained[0]
    assert gained.rows[0][0].startswith("+")
    assert lost.rows[0][0].startswith("\N{MINUS SIGN}")
    assert first.query in gained.rows[0][2]
    assert {row[0] for row in gained.rows} >= {"Positives", "random", "topk"}
    mark = "●" if first.first_a[0].relevant else "○"
    ranked = next(row for row in gained.rows if row[0] == "random")
    assert ranked[2].startswith(f"1. {mark} ")
    assert first.first_a[0].document.id in ranked[2]


def test_examples_without_texts_name_ids_and_say_so(tmp_path: Path) -> None:
    analysis = analyse(SMALL.write(tmp_path))
    (data,) = extremes(analysis.results, "random", "topk")

    section = examples(data)

    assert "Texts were not kept with these results" in _said(section)
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert table.rows[0][2] == data.gained[0].query


def test_many_datasets_keep_the_matrix_and_leave_the_rest_to_the_files(tmp_path: Path) -> None:
    names = tuple(f"d{n}" for n in range(6))
    analysis = analyse(replace(SMALL, datasets=names).write(tmp_path))
    gallery = Gallery()

    document = compose(analysis, gallery)

    matrices = [table for table in tables_of(document) if table.title.startswith("All datasets")]
    assert [len(table.columns) for table in matrices] == [7, 3]
    drawn = {name for name in gallery.files if name.startswith("scores-")}
    assert len([name for name in drawn if name.endswith(".svg")]) == 4
    assert len([name for name in drawn if name.endswith(".csv")]) == 6


def test_arms_stand_by_family_the_best_family_first(tmp_path: Path) -> None:
    arms = (
        Arm("topk", mined("topk"), 0.3),
        Arm("high", mined("topk_percpos", share=0.9), 0.8),
        Arm("random", mined("random"), 0.5),
        Arm("low", mined("topk_percpos", share=0.8), 0.1),
    )

    document = compose(analyse(replace(SMALL, arms=arms).write(tmp_path)), Gallery())

    table = next(table for table in tables_of(document) if table.name == "ablation")
    assert [row[1] for row in table.rows] == ["high", "low", "random", "topk (baseline)"]
    assert list(table.groups) == [0, 2]
