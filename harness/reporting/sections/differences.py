"""Forest plots: the difference of every arm to the baseline, or its mean where there is none."""

from harness.reporting import notation
from harness.reporting.blocks import Picture
from harness.reporting.exports import escape_csv
from harness.reporting.gallery import Gallery, Rows
from harness.reporting.points import Forest
from harness.reporting.tables import Analysis

__all__ = ["forest_picture"]


def forest_picture(analysis: Analysis, gallery: Gallery, name: str, data: Forest, *, several: bool = False) -> Picture:
    """Draw a forest plot into the gallery."""
    from harness.reporting.figures import draw_forest

    styles = analysis.styles
    shown = "; ".join(f"{notation.plain(point.arm)} {notation.interval(point.value)}" for point in data.points)
    words = f"Forest plot. {shown}", _caption(data, several=several)
    return gallery.add(name, draw_forest(data, styles), _rows(data), words)


def _caption(data: Forest, *, several: bool) -> str:
    if data.reference is None:
        return f"{data.axis} of each arm ({data.title}), highest first, with 95 % bootstrap intervals over queries."
    everywhere = " on every dataset" if several else ""
    return (
        f"{data.axis[0].upper()}{data.axis[1:]} ({data.title}), highest first, with 95 % bootstrap intervals over "
        f"queries. Filled markers: beyond noise{everywhere} by the rule of this report; hollow: not. "
        "Arrowheads: off the scale, with the value at the right. Colour and shape: family of the miner."
    )


def _rows(data: Forest) -> Rows:
    return [
        {
            "arm": escape_csv(point.arm),
            "family": escape_csv(point.family),
            "value": f"{point.value.mean:.6g}",
            "low": f"{point.value.low:.6g}",
            "high": f"{point.value.high:.6g}",
            "beyond_noise": str(point.sure).lower(),
        }
        for point in data.points
    ]
