"""Write a sweep's report from its results folder: PDF, tables and figures."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import storage_error
from harness.reporting.answer import answer, plain_text
from harness.reporting.document import compose
from harness.reporting.exports import as_csv, as_latex, as_markdown
from harness.reporting.pdf import compile_pdf
from harness.reporting.pictures import draw
from harness.reporting.tables import analyse
from harness.reporting.terminal import terminal_table

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
    pdf = compile_pdf(compose(analysis, figures), pictures)
    texts = {"ablation.md": as_markdown(analysis), "ablation.csv": as_csv(analysis), "ablation.tex": as_latex(analysis)}
    tables = tuple(_write(folder / "tables" / name, text.encode()) for name, text in texts.items())
    files = tuple(_write(folder / "figures" / name, content) for name, content in drawn.items())
    words = plain_text(answer(analysis).sentences)
    return ReportPaths(_write(folder / "report.pdf", pdf), tables, files, words, terminal_table(analysis))


def _write(path: Path, content: bytes) -> Path:
    """Write a file so that it is there in full or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise storage_error(error, path) from error
    return path
