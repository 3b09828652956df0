"""Compile the report: a fixed Typst template, and all that it prints handed over as data."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.errors import StorageError

__all__ = ["compile_pdf"]

_TEMPLATE = Path(__file__).with_name("report.typ")


def compile_pdf(data: Mapping[str, object], pictures: Mapping[str, bytes], template: Path = _TEMPLATE) -> bytes:
    """Return the PDF of `data`, with `pictures` as SVG by the file names that the data use.

    The data are passed as one JSON string and never parsed as markup. The compiler sees
    a folder that holds the template and the pictures alone, and no fonts of the system.
    The template sets no date, so that the same data give the same bytes.
    """
    import matplotlib as mpl
    import typst

    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
        root = Path(folder)
        shutil.copyfile(template, root / "report.typ")
        for name, picture in pictures.items():
            (root / name).write_bytes(picture)
        compiler = typst.Compiler(
            root / "report.typ",
            root=root,
            font_paths=[fonts],
            ignore_system_fonts=True,
            sys_inputs={"data": json.dumps(data, ensure_ascii=True, allow_nan=False)},
        )
        try:
            pdf = compiler.compile(format="pdf")
        except typst.TypstError as error:
            message = f"the report cannot be typeset: {error.message}"
            raise StorageError(message) from error
    if not isinstance(pdf, bytes):
        message = "the report cannot be typeset: the compiler returned no PDF"
        raise StorageError(message)
    return pdf
