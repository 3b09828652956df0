"""Reports of four sweeps of very different shape: what they say, and that it stays on the page.

After a change that is meant to move them: WINNOW_UPDATE_GOLDEN=1 pytest tests/reporting/test_golden.py
"""

import io
import os
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from matplotlib import image
from shapes import SHAPES, as_text

from harness.reporting.blocks import Document
from harness.reporting.document import compose, document_data
from harness.reporting.gallery import Gallery
from harness.reporting.pdf import compile_pages
from harness.reporting.tables import analyse

GOLDEN = Path(__file__).parent.parent / "golden" / "reports"
PPI = 48
_MARGIN = 20.0
"""Millimetres at either side that must stay empty; the text begins 23 mm from the edge."""


class Shape(NamedTuple):
    name: str
    document: Document
    gallery: Gallery


@pytest.fixture(scope="module", params=sorted(SHAPES))
def shape(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shape:
    gallery = Gallery()
    analysis = analyse(SHAPES[request.param].write(tmp_path_factory.mktemp("shape")))
    return Shape(request.param, compose(analysis, gallery), gallery)


def test_the_report_says_what_it_said(shape: Shape) -> None:
    name, document, gallery = shape

    text = as_text(document)
    data = {file: content for file, content in gallery.files.items() if file.endswith(".csv")}
    text += "\n".join(f"{file} {sha256(content).hexdigest()[:16]}" for file, content in data.items()) + "\n"

    golden = GOLDEN / f"{name.replace(' ', '-')}.txt"
    if os.environ.get("WINNOW_UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_nothing_leaves_the_text_area_of_a_page(shape: Shape) -> None:
    pages = compile_pages(document_data(shape.document), shape.gallery.pictures(), ppi=PPI)

    edge = round(_MARGIN / 25.4 * PPI)
    for page in pages:
        ink = image.imread(io.BytesIO(page), format="png")[:, :, :3].min(axis=2) < 0.9
        assert ink.any()
        assert not np.any(ink[:, :edge])
        assert not np.any(ink[:, -edge:])
