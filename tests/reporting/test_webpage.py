"""The page says what the PDF says, runs nothing and needs nothing."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pypdf
import pytest
from synthetic import QUICKSTART, Arm, Sweep, mined

from harness.reporting import notation
from harness.reporting.report import ReportPaths, write_report
from harness.reporting.tables import Analysis

VOID = {"meta", "img"}


class Page(HTMLParser):
    """Collects texts and tags, and checks that what is opened is closed."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


@pytest.fixture(scope="module")
def page(report: ReportPaths) -> Page:
    return Page(report.page.read_text())


def test_the_page_is_well_formed_and_holds_every_number_of_the_tables(page: Page, analysis: Analysis) -> None:
    assert page.open == []
    for row in analysis.tables[0].rows:
        for written in (notation.interval(row.score), notation.percent(row.yields), notation.decimal(row.hardness)):
            assert written in page.text


def test_page_and_pdf_say_the_same(page: Page, report: ReportPaths) -> None:
    def words(text: str) -> list[str]:
        return re.findall(r"[A-Za-z]{3,}|[+\u2212]?[0-9][0-9.,]*", text.replace("\u200b", ""))

    pdf = words(" ".join(sheet.extract_text() for sheet in pypdf.PdfReader(report.pdf).pages))

    numbering = re.compile(r"[0-9]\.")
    assert {word for word in set(words(page.text)) - set(pdf) if not numbering.fullmatch(word)} == set()


def test_nothing_is_loaded_or_run(page: Page) -> None:
    assert {tag for tag, _ in page.tags} & {"script", "iframe", "object", "link", "form"} == set()
    sources = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert sources
    assert all(source is not None and source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_pictures_say_what_they_show(page: Page) -> None:
    assert all(attributes["alt"] for tag, attributes in page.tags if tag == "img")


def test_markup_in_names_is_text(tmp_path: Path) -> None:
    names = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&lt;b&gt;"]
    sweep = Sweep(arms=[QUICKSTART[3], *(Arm(name, mined("random")) for name in names)], test=9, dev=9, seeds=(0,))

    found = Page(write_report(sweep.write(tmp_path / "in"), tmp_path / "out").page.read_text())

    assert {tag for tag, _ in found.tags} & {"script"} == set()
    assert not any("onerror" in attributes for _, attributes in found.tags)
    assert all(name in found.text for name in names)


def test_the_same_results_give_the_same_page(report: ReportPaths, quickstart: Path, tmp_path: Path) -> None:
    assert write_report(quickstart, tmp_path).page.read_bytes() == report.page.read_bytes()


def test_a_page_without_further_sentences_is_whole(tmp_path: Path) -> None:
    nothing = replace(Sweep(), arms=QUICKSTART[:1], baseline=None, failed=[("untrained", seed) for seed in (0, 1, 2)])

    found = Page(write_report(nothing.write(tmp_path / "in"), tmp_path / "out").page.read_text())

    assert found.open == []
    assert "No trained arm has finished runs on every dataset" in found.text
