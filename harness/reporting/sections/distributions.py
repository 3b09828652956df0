"""What the teachers' scores say about each way of choosing negatives."""

from harness.reporting import notation
from harness.reporting.blocks import Picture, Section
from harness.reporting.exports import escape_csv
from harness.reporting.gallery import Gallery, Rows, slug
from harness.reporting.points import Panels, panels
from harness.reporting.tables import Analysis

__all__ = ["distributions"]


def distributions(analysis: Analysis, gallery: Gallery) -> Section:
    """Return small multiples of score densities, one figure for each dataset and teacher."""
    pictures = [_scores(gallery, number, group) for number, group in enumerate(panels(analysis), 1)]
    return Section("Score distributions", tuple(pictures))


def _scores(gallery: Gallery, number: int, data: Panels) -> Picture:
    from harness.reporting.figures import draw_panels

    names = ", ".join(notation.plain(panel.arm) for panel in data.panels)
    caption = (
        f"Scores by the teacher {notation.plain(data.teacher)} on "
        f"{notation.plain(data.dataset)}, as densities over seeds "
        "and queries, best arm first: labelled positives (filled), mined negatives (bold), hidden positives, mined or "
        "not (dashed), and candidates that the filter removed (thin). Overlap: shared area of positives and mined "
        "negatives; AUC: probability that a positive scores above a mined negative."
    )
    return gallery.add(
        f"scores-{slug(number, f'{data.dataset}-{data.teacher}')}",
        lambda: draw_panels(data),
        _rows(data),
        (f"Score distributions, one panel per arm: {names}.", caption),
        full_width=False,
    )


def _rows(data: Panels) -> Rows:
    return [
        {
            "arm": escape_csv(panel.arm),
            "kind": kind,
            "from": f"{panel.edges[index]:.6g}",
            "to": f"{panel.edges[index + 1]:.6g}",
            "density": f"{value:.6g}",
        }
        for panel in data.panels
        for kind, density in panel.density.items()
        for index, value in enumerate(density)
    ]
