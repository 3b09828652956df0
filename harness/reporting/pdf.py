"""Compile the report: a fixed Typst template, and all that it prints handed over as data."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StorageError

if TYPE_CHECKING:
    import typst

__all__ = ["compile_pages", "compile_pdf"]

_TEMPLATE = Path(__file__).with_name("report.typ")


def compile_pdf(data: Mapping[str, object], pictures: Mapping[str, bytes], template: Path = _TEMPLATE) -> bytes:
    """Return the PDF of `data`, with `pictures` as SVG by the file names that the data use.

    The data are passed as one JSON string and never parsed as markup. The compiler sees
    a folder that holds the template and the pictures alone, and no fonts of the system.
    The template sets no date, so that the same data give the same bytes. The compiler holds
    the PDF to PDF/UA-1: tagged, titled, and with words for every picture.
    """
    with _compiler(data, pictures, template) as compiler:
        pdf = compiler.compile(format="pdf", pdf_standards=["ua-1"])
    if not isinstance(pdf, bytes):
        message = "the report cannot be typeset: the compiler returned no PDF"
        raise StorageError(message)
    return pdf


def compile_pages(data: Mapping[str, object], pictures: Mapping[str, bytes], *, ppi: float) -> list[bytes]:
    """Return every page as PNG with `ppi` pixels an inch."""
    with _compiler(data, pictures, _TEMPLATE) as compiler:
        pages = compiler.compile(format="png", ppi=ppi)
    return [page for page in (pages if isinstance(pages, list) else [pages]) if page is not None]


@contextmanager
def _compiler(data: Mapping[str, object], pictures: Mapping[str, bytes], template: Path) -> "Iterator[typst.Compiler]":
    import matplotlib as mpl
    import typst

    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
        root = Path(folder)
        shutil.copyfile(template, root / "report.typ")
        for name, picture in pictures.items():
            (root / name).write_bytes(picture)
        try:
            yield typst.Compiler(
                root / "report.typ",
                root=root,
                font_paths=[fonts],
                ignore_system_fonts=True,
                sys_inputs={"data": json.dumps(data, ensure_ascii=True, allow_nan=False)},
            )
        except typst.TypstError as error:
            message = f"the report cannot be typeset: {error.message}"
            raise StorageError(message) from error
