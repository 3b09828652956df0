"""Write the report of one sweep or of several together: PDF, web page, tables and figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.reporting.answer import answer, plain_text
from harness.reporting.blocks import tables_of
from harness.reporting.document import compose, document_data
from harness.reporting.elsewhere import sets_numbers
from harness.reporting.exports import table_files
from harness.reporting.gallery import Gallery
from harness.reporting.numbers import Value, ablation_numbers, as_csv, as_parquet, cost_numbers
from harness.reporting.parts import part_numbers
from harness.reporting.pdf import compile_pdf
from harness.reporting.tables import Analysis, analyse
from harness.reporting.terminal import terminal_table
from harness.reporting.webpage import as_html
from harness.store import write_file

__all__ = ["ReportPaths", "number_files", "write_report"]


@dataclass(frozen=True)
class ReportPaths:
    """Where a report lies, with its answer in words and its table for the terminal."""

    pdf: Path
    page: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    answer: str
    terminal: str

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of the report, the PDF first."""
        return (self.pdf, self.page, *self.tables, *self.figures)


def write_report(results: Path | Sequence[Path], reports: Path) -> ReportPaths:
    """Read `results` (folders of one sweep or more) and write `reports/<sweep>/`.

    The same results give the same bytes. Each file is replaced in one step, the PDF last.
    Raises StorageError or DataError for results that cannot be trusted or combined.
    """
    analysis = analyse(results)
    folder = reports / analysis.results.plan.name
    gallery = Gallery()
    document = compose(analysis, gallery)
    pdf = compile_pdf(document_data(document), gallery.pictures())
    texts = {name: text.encode() for name, text in table_files(tables_of(document)).items()} | number_files(analysis)
    tables = tuple(write_file(folder / "tables" / name, content) for name, content in texts.items())
    figures = tuple(write_file(folder / "figures" / name, content) for name, content in gallery.files.items())
    page = write_file(folder / "report.html", as_html(document, gallery.pictures()))
    words = plain_text(answer(analysis).sentences)
    return ReportPaths(write_file(folder / "report.pdf", pdf), page, tables, figures, words, terminal_table(analysis))


def number_files(analysis: Analysis) -> dict[str, bytes]:
    """Return the numbers behind the tables as CSV and parquet by file name; none for a table that is not there."""
    numbers: dict[str, list[dict[str, Value]]] = {
        "ablation": ablation_numbers(analysis),
        "cost": cost_numbers(analysis),
        "sets": sets_numbers(analysis.results),
        "parts": part_numbers(analysis.results),
    }
    return {
        file: write(rows)
        for name, rows in numbers.items()
        if rows
        for file, write in ((f"{name}.csv", as_csv), (f"{name}.parquet", as_parquet))
    }
