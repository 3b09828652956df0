import re
from dataclasses import replace
from pathlib import Path

import pypdf
import pytest
from synthetic import QUICKSTART, Arm, Sweep, mined

from harness.errors import StorageError
from harness.reporting import notation
from harness.reporting.facts import facts
from harness.reporting.report import ReportPaths, write_report
from harness.reporting.tables import Analysis, analyse
from harness.spec import Component, TrainingSpec
from harness.stats import RULE

SMALL = Sweep(arms=QUICKSTART[1:6], test=40, dev=20)


def _pages(pdf: Path) -> list[str]:
    # the typesetter breaks lines and may put invisible break points into names
    return [re.sub(r"\s+", " ", page.extract_text().replace("\u200b", "")) for page in pypdf.PdfReader(pdf).pages]


def _text(pdf: Path) -> str:
    return " ".join(_pages(pdf))


def test_page_one_gives_question_answer_and_every_number_of_the_headline_table(
    report: ReportPaths, analysis: Analysis
) -> None:
    first = _pages(report.pdf)[0]

    assert analysis.results.plan.question in first
    assert "Of 10 ways of choosing negatives, topk percpos 0.80 scores highest" in first
    for row in analysis.tables[0].rows:
        assert f"{row.arm}{' (baseline)' if row.baseline else ''} {notation.interval(row.score)}" in first
        if row.versus is not None:
            difference = notation.signed_interval(row.difference)
            verdict = notation.verdict_text(row.versus)
            assert f"{difference} {notation.p_value(row.p_adjusted)} {verdict}" in first
        assert notation.percent(row.contamination) in first


def test_the_report_states_rule_environment_and_plan(report: ReportPaths, analysis: Analysis) -> None:
    text = _text(report.pdf)

    for expected in (RULE, analysis.results.plan.hash, "Example CPU @ 2.50 GHz", "torch 2.13.0", "0123456789abcdef"):
        assert expected in text
    assert "Every planned run finished, at the first attempt." in text
    assert "Attention." not in text


def test_the_pdf_is_titled_tagged_and_in_a_language_with_bundled_fonts(report: ReportPaths) -> None:
    reader = pypdf.PdfReader(report.pdf)

    assert reader.metadata is not None
    assert reader.metadata.title == "quickstart: Which way of choosing hard negatives gives the best retriever?"
    assert reader.metadata.creation_date is None
    root = reader.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]
    assert b"<pdfuaid:part>1</pdfuaid:part>" in root["/Metadata"].get_data()
    fonts = {str(font["/BaseFont"]) for page in reader.pages for font in page["/Resources"]["/Font"].values()}
    assert all("Libertinus" in font or "DejaVu" in font for font in fonts)


def test_the_same_results_give_the_same_bytes(report: ReportPaths, quickstart: Path, tmp_path: Path) -> None:
    again = write_report(quickstart, tmp_path)

    assert again.pdf.read_bytes() == report.pdf.read_bytes()
    for old, new in zip((*report.tables, *report.figures), (*again.tables, *again.figures), strict=True):
        assert new.read_bytes() == old.read_bytes()
    assert not list(tmp_path.rglob(".*"))


def test_names_are_printed_and_never_run(tmp_path: Path) -> None:
    names = ['#read("secret.txt")', "*bold*", "$x$", "long_name_" * 8, "a_b_c", "@fig", "// gone", "two\nlines"]
    arms = [Arm("topk", mined("topk")), *[Arm(name, mined("random"), contamination=0.1) for name in names]]

    text = _text(write_report(replace(SMALL, arms=arms).write(tmp_path / "in"), tmp_path / "out").pdf)

    for name in names:
        assert re.sub(r"\s+", "", name) in re.sub(r"\s+", "", text)


def test_a_hostile_name_changes_nothing_but_its_own_text(tmp_path: Path) -> None:
    texts = []
    for name in ("abcdefghi", "*#$_`<@>]"):
        spec = tmp_path / f"in-{len(texts)}"
        arms = [*SMALL.arms[1:3], Arm("placeholder", mined("oracle"), 0.9)]
        folder = replace(SMALL, arms=arms, question="Why placeholder?").write(spec)
        plan = folder / "plan.json"
        plan.write_text(plan.read_text().replace("placeholder", name))
        texts.append(_text(write_report(folder, tmp_path / f"out-{len(texts)}").pdf).replace(name, "NAME"))

    assert texts[0] == texts[1]


def test_thirty_arms_break_over_pages_with_repeated_headers(tmp_path: Path) -> None:
    arms = [Arm(f"arm number {n}", mined("topk"), 0.4 + n / 100, n / 100) for n in range(30)]
    sweep = replace(SMALL, arms=arms, baseline="arm number 0", seeds=(0,))

    pages = _pages(write_report(sweep.write(tmp_path / "in"), tmp_path / "out").pdf)

    assert "17 further arms" in pages[0]
    assert "Figure 1." in pages[0]
    text = " ".join(pages)
    assert all(text.count(f"arm number {n} ") >= 3 for n in range(30))
    assert text.count("Arm Yield Backfilled") + text.count("Arm Seeds p (raw)") > 2


def test_three_datasets_have_their_tables_and_a_mean(tmp_path: Path) -> None:
    sweep = replace(SMALL, arms=SMALL.arms[1:4], datasets=("one", "two", "three"))

    paths = write_report(sweep.write(tmp_path / "in"), tmp_path / "out")

    pages = _pages(paths.pdf)
    for row in analyse(tmp_path / "in").overall:
        assert notation.interval(row.score) in pages[0]
        assert all(
            notation.decimal(item.score.mean) in pages[0] for item in row.rows if item is not None and item.score
        )
    assert all(f"{dataset}: 40 test queries" in " ".join(pages) for dataset in ("one", "two", "three"))


def test_failures_and_differences_are_said_on_page_one(tmp_path: Path) -> None:
    arms = (*SMALL.arms, Arm("longer", mined("topk"), steps=200))
    sweep = replace(SMALL, arms=arms, failed=[("random", 1)], missing=[("topk", 2)])

    pages = _pages(write_report(sweep.write(tmp_path / "in"), tmp_path / "out").pdf)

    assert "Attention. Training steps: not the same for all arms (96 steps for most; 200 steps: longer)." in pages[0]
    assert "Attention. 2 of 18 planned runs left no numbers." in pages[0]
    assert "the loss is NaN at step 17" in pages[-1] + pages[-2]


@pytest.mark.parametrize(
    "sweep",
    [
        replace(SMALL, seeds=(3,)),
        replace(SMALL, baseline=None),
        replace(SMALL, arms=SMALL.arms[:1], baseline=None, seeds=(0,)),
        replace(SMALL, failed=[(arm.name, seed) for arm in SMALL.arms for seed in SMALL.seeds]),
        replace(SMALL, test=1, dev=1),
    ],
    ids=["one seed", "no baseline", "one arm without audit", "nothing finished", "one query"],
)
def test_a_report_is_written_whatever_is_there(sweep: Sweep, tmp_path: Path) -> None:
    paths = write_report(sweep.write(tmp_path / "in"), tmp_path / "out")

    assert len(_pages(paths.pdf)) >= 2
    assert paths.terminal


def test_conditions_are_checked_from_the_records(analysis: Analysis) -> None:
    found = {fact.what: fact for fact in facts(analysis.results)}

    assert all(fact.holds for fact in found.values())
    assert found["Training steps"].detail == "96 steps"
    assert found["Training pairs"].detail.startswith("2,000 pairs, SHA-256 ")
    assert found["Training settings"].detail.endswith("at most 128 tokens, loss info_nce")


def test_arms_that_are_trained_differently_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    other = TrainingSpec(
        loss=Component(name="gist", params={"margin": 0.1}),
        batching=Component(name="topics"),
        refresh=Component(name="ance", params={"every": 32}),
        guides=(Component(name="minilm"),),
        mask_known_positives=True,
    )
    arms = (*SMALL.arms, replace(SMALL.arms[0], name="guided", training=other))
    analysis = analyse(replace(SMALL, arms=arms).write(tmp_path))

    found = {fact.what: fact for fact in facts(analysis.results)}

    assert found["Training settings"].holds
    assert "loss" not in found["Training settings"].detail
    assert found["Loss, batching, refresh"].detail == (
        "info_nce for most; gist(margin=0.1), guided by minilm, batching topics, refresh ance(every=32), "
        "known positives masked: guided"
    )


def test_a_folder_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"plan\.json is missing"):
        write_report(tmp_path, tmp_path)
