"""A small sweep whose arms, question, folder and texts are markup of every kind: carried out, reported and mirrored."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from inline import carried_out, sweep_file
from mlflow import MlflowClient
from pypdf import PdfReader

from harness.cli import main
from harness.reporting.report import write_report
from harness.tracking import Destination, Summary, rebuild
from harness.tracking.destination import DATABASE

NAMES = (
    '#read("/etc/passwd")',
    r"\input{/etc/passwd} $x_1$ %&~^",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "+1+cmd",
    "-2+3+cmd",
    "../../gone",
    "a|b`c`*d*[x](javascript:alert(1))",
    "'; DROP TABLE runs; --",
    "نص عربي 検索",
)
REFUSED = ("a\nb", "nul\0x", "\u202egnp.exe", "\t=1", "\x1b[31m", "", " x", "x" * 300)
TEXTS = (*NAMES, "\u202egnp.exe", "nul\0x", "\x1b[31mred", "\ufeffmark", "line\u2028line")
FORMULA = re.compile(r"\s*[=@\t\r]|\s*[-+](?!\d*\.?\d+(e-?\d+)?\s*$)(?!inf)", re.IGNORECASE)


class Tags(HTMLParser):
    """Collects what a browser would obey."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def hostile_folder(folder: Path) -> Path:
    """Write a collection in BEIR's format whose every id and text wants to be obeyed."""
    (folder / "qrels").mkdir(parents=True)
    documents = [f"{text} document {number} of {number % 7}" for number in range(6) for text in TEXTS]
    identifiers = [re.sub(r"[\t\r\n\0\x1b\u2028]", "?", text) + f" {number}" for number, text in enumerate(documents)]
    rows = zip(identifiers, documents, strict=True)
    corpus = [{"_id": key, "title": "=1+1", "text": text} for key, text in rows]
    queries = [{"_id": f"=q{number}", "text": text} for number, text in enumerate(documents[:36])]
    for name, content in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    for split, start in (("train", 0), ("dev", 24), ("test", 30)):
        lines = [
            f"=q{number}\t{identifiers[number]}\t1\n"
            for number in range(start, start + (24 if split == "train" else 6))
        ]
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "work"
    data = hostile_folder(folder / "=1<b>#{sys.inputs}</b>\u202e$")
    changes = {
        "question": '#read("/etc/passwd") <script>alert(1)</script> \\input{x} \x1b[31m \u202e?',
        "datasets": {"name": "beir_folder", "path": str(data)},
        "evaluate": [{"name": "beir_folder", "path": str(hostile_folder(folder / "=@$(touch gone)\"'\u202e"))}],
        "seeds": 1,
        "search": None,
        "baseline": NAMES[0],
        "arms": [
            {"name": NAMES[0], "miner": "topk"},
            *({"name": name, "training": False} for name in NAMES[1:]),
        ],
    }
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert carried_out(folder, monkeypatch, minutes=5, **changes).failed == 0
    write_report(folder / "results/toy", folder / "reports")
    return folder


def test_a_sweep_of_hostile_names_writes_nowhere_but_into_its_own_folders(hostile):
    assert [path.name for path in hostile.parent.iterdir()] == ["work"]
    assert sorted(path.name for path in hostile.iterdir() if not path.name.startswith("=")) == [
        "reports",
        "results",
        "toy.yaml",
    ]
    assert sorted(path.name for path in (hostile / "results").iterdir()) == [".store", "toy"]
    assert [path.name for path in (hostile / "reports").iterdir()] == ["toy"]


def test_a_browser_obeys_nothing_of_a_report_of_hostile_names(hostile):
    pages = list((hostile / "reports").rglob("*.html"))
    tags = Tags()
    for page in pages:
        tags.feed(page.read_text())

    assert pages
    assert not [tag for tag in tags.found if tag[0] == "script" and not tag[1]]
    assert not [tag for tag in tags.found if tag[0] == "img" and not (tag[1].get("src") or "").startswith("data:")]
    assert not [name for _, given in tags.found for name in given if name.startswith("on")]
    assert not [tag for tag in tags.found if (tag[1].get("href") or "").startswith("javascript")]
    assert "&lt;script&gt;alert(1)" in "".join(page.read_text() for page in pages)


def test_typst_prints_hostile_names_and_does_not_carry_them_out(hostile):
    text = "".join(page.extract_text() for page in PdfReader(hostile / "reports/toy/report.pdf").pages)

    assert "#read(" in text
    assert "root:" not in text


def test_no_cell_of_a_table_of_hostile_names_is_a_formula(hostile):
    tables = list((hostile / "reports").rglob("*.csv"))
    cells = [cell for path in tables for row in csv.reader(io.StringIO(path.read_text())) for cell in row]

    assert any("cmd" in cell for cell in cells)
    assert not [cell for cell in cells if FORMULA.match(cell)]


def test_latex_and_markdown_print_hostile_names(hostile):
    latex = "".join(path.read_text() for path in (hostile / "reports").rglob("*.tex"))
    markdown = "".join(path.read_text() for path in (hostile / "reports").rglob("*.md"))

    assert "etc/passwd" in latex
    assert "\\input{" not in latex
    assert "DROP TABLE" in markdown
    assert "<script>" not in markdown.replace("\\<", "")
    assert not re.search(r"(?<!\\)\]\(", markdown)


@pytest.mark.fault_sweep
def test_mlflow_takes_hostile_names_as_they_are(hostile):
    paths = write_report(hostile / "results/toy", hostile / "reports")

    count = rebuild(
        Destination(hostile.parent / "mlflow"), hostile / "results/toy", Summary.of(paths.answer, paths.files)
    )

    client = MlflowClient(f"sqlite:///{hostile.parent / 'mlflow' / DATABASE}")
    found = client.search_runs([client.get_experiment_by_name("toy").experiment_id], "tags.`winnow.level` = 'run'")
    assert count == len(NAMES)
    assert {run.data.tags["winnow.arm"] for run in found} == set(NAMES) == {run.data.params["arm"] for run in found}
    assert {run.info.status for run in found} == {"FINISHED"}


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_cannot_be_seen_whole_is_refused_with_its_place(tmp_path, capsys, name):
    file = sweep_file(tmp_path, baseline=None, search=None, arms=[{"name": name, "training": False}])

    code = main(["plan", str(file), "--results", str(tmp_path)])

    told = capsys.readouterr().err
    assert code == 2
    assert "arms[0].name must be text of 1 to 60 printable characters" in told
    assert not set(told) & set("\x1b\0\u202e")
