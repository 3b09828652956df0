"""What removing false negatives costs and brings."""

from harness.reporting import notation
from harness.reporting.blocks import Block, Section
from harness.reporting.exports import escape_csv
from harness.reporting.gallery import Gallery, Rows, slug
from harness.reporting.points import Scatter, scatter
from harness.reporting.tables import Analysis, DatasetTable

__all__ = ["removal"]


def removal(analysis: Analysis, gallery: Gallery) -> Section:
    """Return contamination against quality on every dataset with audited arms."""
    blocks: list[Block] = []
    for number, table in enumerate(analysis.tables, 1):
        blocks += _quality(analysis, gallery, number, table)
    return Section("False negatives: contamination, hardness, quality", tuple(blocks))


def _quality(analysis: Analysis, gallery: Gallery, number: int, table: DatasetTable) -> list[Block]:
    from harness.reporting.figures import draw_scatter

    data = scatter(analysis, table)
    if not data.points:
        return []
    shown = "; ".join(
        f"{notation.plain(point.arm)}: {notation.percent(point.contamination)}, {notation.interval(point.score)}"
        for point in data.points
    )
    caption = (
        f"Contamination of the mined negatives against {data.axis} on {notation.plain(table.dataset)}. Bars: 95 % "
        "intervals of the means; they overlap far more than the paired differences of the tables. Dashed: trained "
        "without mined negatives."
    )
    name = f"contamination-{slug(number, table.dataset)}"
    styles = analysis.styles
    return [gallery.add(name, lambda: draw_scatter(data, styles), _rows(data), (f"Scatter plot. {shown}", caption))]


def _rows(data: Scatter) -> Rows:
    return [
        {
            "arm": escape_csv(point.arm),
            "family": escape_csv(point.family),
            "contamination": f"{point.contamination:.6g}",
            "score": f"{point.score.mean:.6g}",
            "low": f"{point.score.low:.6g}",
            "high": f"{point.score.high:.6g}",
        }
        for point in data.points
    ]
