"""Put the figures of one kind into the gallery: drawn for the datasets that are shown, as data for the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from harness.reporting.blocks import Picture
from harness.reporting.gallery import Gallery, Rows, slug
from harness.reporting.tables import Analysis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Kind", "drawn"]


class OnDataset(Protocol):
    """What a figure shows of one dataset."""

    @property
    def dataset(self) -> str:
        """The dataset's name."""


Data = TypeVar("Data", bound=OnDataset)


@dataclass(frozen=True)
class Kind(Generic[Data]):
    """How figures of one kind are called, drawn, saved and described; `draw` may find nothing to draw."""

    name: str
    draw: "Callable[[Data], Figure | None]"
    rows: Callable[[Data], Rows]
    words: Callable[[Data], tuple[str, str]]


def drawn(analysis: Analysis, gallery: Gallery, found: Sequence[Data], kind: Kind[Data]) -> list[Picture]:
    """Return the pictures of the datasets that the report shows; keep the data of all."""
    pictures = []
    for number, data in enumerate(found, 1):
        what = f"{data.dataset}-{data.teacher}" if hasattr(data, "teacher") else data.dataset
        name = f"{kind.name}-{slug(number, what)}"
        figure = kind.draw(data) if data.dataset in analysis.shown else None
        if figure is not None:
            pictures.append(gallery.add(name, figure, kind.rows(data), kind.words(data)))
        elif rows := kind.rows(data):
            gallery.keep(name, rows)
    return pictures
