"""Write a sweep's report from its results folder: PDF, tables and figures."""

from dataclasses import dataclass
from pathlib import Path

from harness.reporting.answer import answer, plain_text
from harness.reporting.document import compose
from harness.reporting.elsewhere import sets_files
from harness.reporting.exports import as_csv, as_latex, as_markdown
from harness.reporting.part_exports import part_files, parts_for_pdf
from harness.reporting.parts import part_tables
from harness.reporting.pdf import compile_pdf
from harness.reporting.pictures import draw
from harness.reporting.tables import analyse
from harness.reporting.terminal import terminal_table
from harness.store import write_file

__all__ = ["ReportPaths", "write_report"]


@dataclass(frozen=True)
class ReportPaths:
    """Where a report lies, with its answer in words and its table for the terminal."""

    pdf: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    answer: str
    terminal: str


def write_report(results: Path, reports: Path) -> ReportPaths:
    """Read `results` (the folder of one sweep) and write `reports/<sweep>/`.

    The same results give the same bytes. Each file is replaced in one step, the PDF last.
    Raises StorageError or DataError for results that cannot be trusted.
    """
    analysis = analyse(results)
    folder = reports / analysis.results.plan.name
    drawn, figures = draw(analysis)
    pictures = {name: content for name, content in drawn.items() if name.endswith(".svg")}
    parts = part_tables(analysis.results, results)
    pdf = compile_pdf({**compose(analysis, figures), "parts": parts_for_pdf(parts)}, pictures)
    texts = {"ablation.md": as_markdown(analysis), "ablation.csv": as_csv(analysis), "ablation.tex": as_latex(analysis)}
    texts |= sets_files(analysis.results)
    texts |= part_files(parts)
    tables = tuple(write_file(folder / "tables" / name, text.encode()) for name, text in texts.items())
    files = tuple(write_file(folder / "figures" / name, content) for name, content in drawn.items())
    words = plain_text(answer(analysis).sentences)
    return ReportPaths(write_file(folder / "report.pdf", pdf), tables, files, words, terminal_table(analysis))
