"""Draw every figure of a report, with its caption and the data that it shows."""

import csv
import io
import re
from typing import TYPE_CHECKING

from harness.reporting import notation
from harness.reporting.document import Figures, Picture
from harness.reporting.exports import escape_csv
from harness.reporting.points import Forest, Panels, Scatter, forest, overall_forest, panels, scatter
from harness.reporting.tables import Analysis, family_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw"]

Rows = list[dict[str, str | float]]


def draw(analysis: Analysis) -> tuple[dict[str, bytes], Figures]:
    """Draw every figure as SVG and PNG beside its data as CSV, by file name."""
    from harness.reporting import figures

    styles = figures.family_styles([family_of(arm) for arm in analysis.results.plan.arms])
    drawn: dict[str, bytes] = {}

    def keep(name: str, figure: "Figure", rows: Rows) -> str:
        drawn[f"{name}.svg"] = figures.to_svg(figure)
        drawn[f"{name}.png"] = figures.to_png(figure)
        drawn[f"{name}.csv"] = as_csv(rows)
        return f"{name}.svg"

    several = len(analysis.tables) > 1
    headline = overall_forest(analysis)
    file = keep("difference", figures.draw_forest(headline, styles), _forest_rows(headline))
    first = _forest_picture(file, headline, several=several)
    forests, scatters, distributions = [], [], []
    for number, table in enumerate(analysis.tables, 1):
        place = slug(number, table.dataset)
        if several:
            one = forest(analysis, table)
            file = keep(f"difference-{place}", figures.draw_forest(one, styles), _forest_rows(one))
            forests.append(_forest_picture(file, one))
        cloud = scatter(analysis, table)
        if cloud.points:
            file = keep(f"contamination-{place}", figures.draw_scatter(cloud, styles), _scatter_rows(cloud))
            scatters.append(_scatter_picture(file, table.dataset, cloud))
    for number, group in enumerate(panels(analysis), 1):
        name = f"scores-{slug(number, f'{group.dataset}-{group.teacher}')}"
        distributions.append(_panels_picture(keep(name, figures.draw_panels(group), _panel_rows(group)), group))
    return drawn, Figures(first, tuple(forests), tuple(distributions), tuple(scatters))


def slug(number: int, name: str) -> str:
    """Return a file name that is unique by its number and readable by its text."""
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")[:40]
    return f"{number}-{readable}" if readable else str(number)


def as_csv(rows: Rows) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def _forest_rows(data: Forest) -> Rows:
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


def _scatter_rows(data: Scatter) -> Rows:
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


def _panel_rows(data: Panels) -> Rows:
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


def _forest_picture(file: str, data: Forest, *, several: bool = False) -> Picture:
    shown = "; ".join(f"{notation.plain(point.arm)} {notation.interval(point.value)}" for point in data.points)
    if data.reference is None:
        caption = f"{data.axis} of each arm ({data.title}), highest first, with 95 % bootstrap intervals over queries."
    else:
        everywhere = " on every dataset" if several else ""
        caption = (
            f"{data.axis[0].upper()}{data.axis[1:]} ({data.title}), highest first, with 95 % bootstrap intervals over "
            f"queries. Filled markers: beyond noise{everywhere} by the rule of this report; hollow: not. "
            "Arrowheads: off the scale, with the value at the right. Colour and shape: family of the miner."
        )
    return Picture(file, f"Forest plot. {shown}", caption)


def _scatter_picture(file: str, dataset: str, data: Scatter) -> Picture:
    shown = "; ".join(
        f"{notation.plain(point.arm)}: {notation.percent(point.contamination)}, {notation.interval(point.score)}"
        for point in data.points
    )
    caption = (
        f"Contamination of the mined negatives against {data.axis} on {notation.plain(dataset)}. Bars: 95 % intervals "
        "of the means; they overlap far more than the paired differences of the tables. Dashed: trained without mined "
        "negatives."
    )
    return Picture(file, f"Scatter plot. {shown}", caption)


def _panels_picture(file: str, data: Panels) -> Picture:
    names = ", ".join(notation.plain(panel.arm) for panel in data.panels)
    caption = (
        f"Scores by the teacher {notation.plain(data.teacher)} on "
        f"{notation.plain(data.dataset)}, as densities over seeds "
        "and queries, best arm first: labelled positives (filled), mined negatives (bold), hidden positives, mined or "
        "not (dashed), and candidates that the filter removed (thin). Overlap: shared area of positives and mined "
        "negatives; AUC: probability that a positive scores above a mined negative."
    )
    return Picture(file, f"Score distributions, one panel per arm: {names}.", caption)
