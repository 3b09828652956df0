"""The loss of single training examples in the first epoch and in the last, one panel per arm."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.reporting import notation
from harness.reporting.figures import INK, drawing_style, shown_name
from harness.reporting.plots.choice import MOST_PANELS, chosen, left_out
from harness.reporting.plots.kept_tables import read_table
from harness.reporting.plots.layout import Margins, axis_note, few_ticks, log_scale, panel_grid, panel_title, style_of
from harness.reporting.plots.written import Rows, number, text
from harness.reporting.results import Cell, Results
from harness.reporting.styles import Styles
from harness.reporting.tables import Analysis, family_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ExampleLosses",
    "LossPanel",
    "compute",
    "draw_example_losses",
    "example_losses_caption",
    "example_losses_rows",
]

_BINS = 40
_CUT = 99.5
_TELLING = 0.01
"""The least share beyond the axis that a panel mentions."""
_WIDE = 30.0
"""A ratio of the 95th to the 5th percentile above which the axis is logarithmic."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LossPanel:
    """One arm: shares of examples per bin, (n,), in the first and last epoch, their medians, and what lies beyond.

    `edges` (n + 1,) are those of all arms with the same `loss`, even on the axis that is
    drawn, which is logarithmic with `log`. `first` is None for a training of one epoch;
    `beyond` is the share of the last epoch above the last edge.
    """

    arm: str
    family: str
    loss: str
    edges: FloatArray
    log: bool
    first: FloatArray | None
    last: FloatArray
    medians: tuple[float | None, float]
    beyond: float


@dataclass(frozen=True)
class ExampleLosses:
    """All trained arms of one dataset of which traces were kept, best first."""

    dataset: str
    panels: tuple[LossPanel, ...]
    shown: tuple[str, ...]


@dataclass(frozen=True)
class _Arm:
    name: str
    family: str
    loss: str
    first: FloatArray
    last: FloatArray
    epochs: int


def compute(analysis: Analysis) -> tuple[ExampleLosses, ...]:
    """Return the losses of every dataset of which traces were kept; seeds pooled."""
    found = []
    for table in analysis.tables:
        cells = [analysis.results.cells[row.arm, table.dataset] for row in table.rows]
        arms = [arm for cell in cells if (arm := _read(cell, analysis.results)) is not None]
        if arms:
            axes = {loss: _edges([arm for arm in arms if arm.loss == loss]) for loss in {arm.loss for arm in arms}}
            panels = tuple(_panel(arm, *axes[arm.loss]) for arm in arms)
            shown = chosen([arm.name for arm in arms], MOST_PANELS, analysis.results.baseline)
            found.append(ExampleLosses(table.dataset, panels, shown))
    return tuple(found)


def _read(cell: Cell, results: Results) -> _Arm | None:
    """Pool an arm's seeds: what the examples lost in the first and the last epoch of each."""
    first, last, epochs = [], [], 1
    for run in cell.runs:
        frame = read_table(results.folder(run) / "trace.parquet", ("epoch", "loss"))
        if frame is None or frame.empty:
            continue
        number_of, loss = frame["epoch"].to_numpy(), frame["loss"].to_numpy(dtype=np.float64)
        kept = np.isfinite(loss)
        first.append(loss[kept & (number_of == number_of.min())])
        last.append(loss[kept & (number_of == number_of.max())])
        epochs = max(epochs, int(number_of.max() - number_of.min()) + 1)
    if not sum(map(len, last)) or cell.arm.training is None:
        return None
    loss_name = cell.arm.training.loss.label
    return _Arm(cell.arm.name, family_of(cell.arm), loss_name, np.concatenate(first), np.concatenate(last), epochs)


def _edges(arms: Sequence[_Arm]) -> tuple[FloatArray, bool]:
    """Return even bins up to the 99.5th percentile, or bins even in the logarithm where losses span magnitudes."""
    losses = np.concatenate([part for arm in arms for part in (arm.first, arm.last)])
    low, small, large, most = np.percentile(losses, [100.0 - _CUT, 5.0, 95.0, _CUT])
    if losses.min() > 0.0 and large > _WIDE * small:
        return np.geomspace(low, max(most, low * 1.01), _BINS + 1), True
    low = min(float(losses.min()), 0.0)
    return np.linspace(low, most if most > low else low + 1.0, _BINS + 1), False


def _panel(arm: _Arm, edges: FloatArray, log: bool) -> LossPanel:  # noqa: FBT001 - the scale of these edges
    """Count an arm's losses; those below the first edge count in the first bin."""

    def shares(losses: FloatArray) -> FloatArray:
        return np.histogram(np.maximum(losses, edges[0]), bins=edges)[0] / len(losses)

    several = arm.epochs > 1 and len(arm.first) > 0
    return LossPanel(
        arm.name,
        arm.family,
        arm.loss,
        edges,
        log,
        shares(arm.first) if several else None,
        shares(arm.last),
        (float(np.median(arm.first)) if several else None, float(np.median(arm.last))),
        float((arm.last > edges[-1]).mean()),
    )


def draw_example_losses(data: ExampleLosses, styles: Styles) -> "Figure":
    """Draw one panel per arm: the first epoch filled grey, the last as a line in the arm's colour."""
    drawn = [panel for panel in data.panels if panel.arm in data.shown]
    shares = [part for panel in drawn for part in (panel.first, panel.last) if part is not None]
    several = len({panel.loss for panel in drawn}) > 1
    room = Margins(0.12, 0.15, 0.58, 0.48, 0.24, (0.72,)) if several else Margins(0.12, 0.15, 0.45, 0.48, 0.24, (0.58,))
    with drawing_style():
        figure, places = panel_grid(len(drawn), height=0.7, margins=room)
        for axes, panel in zip(places, drawn, strict=True):
            _draw_panel(axes, panel, style_of(styles, panel.family)[0])
            note = f"{panel.loss}\n{_note(panel)}" if several else _note(panel)
            panel_title(axes, panel.arm, note, style_of(styles, panel.family))
            axes.set_ylim(0.0, 1.06 * max(float(part.max()) for part in shares))
        axis_note(figure, "loss of one example" if several else f"loss of one example, {shown_name(drawn[0].loss, 80)}")
    return figure


def _draw_panel(axes: "Axes", panel: LossPanel, colour: str) -> None:
    low, high = float(panel.edges[0]), float(panel.edges[-1])
    if panel.log:
        log_scale(axes, low, high)
    else:
        few_ticks(axes)
    if panel.first is not None:
        axes.stairs(panel.first, panel.edges, fill=True, color="#d5d5d5")
    axes.stairs(panel.last, panel.edges, color=colour, linewidth=1.4)
    for median, dash in zip(panel.medians, (":", "-"), strict=True):
        if median is not None and low <= median <= high:
            axes.axvline(median, 0.0, 0.16, color=INK, linewidth=1.1, linestyle=dash)
    axes.set_xlim(low, high)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.tick_params(labelsize=7.5)


def _note(panel: LossPanel) -> str:
    before = "" if panel.medians[0] is None else f"{_short(panel.medians[0])} → "
    beyond = f", {notation.percent(panel.beyond)} beyond" if panel.beyond >= _TELLING else ""
    return f"median {before}{_short(panel.medians[1])}{beyond}"


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", notation.MINUS)


def example_losses_rows(data: ExampleLosses) -> Rows:
    """Return one row per arm, epoch and bin that is not empty, of all arms."""
    return [
        {
            "arm": text(panel.arm),
            "loss_function": text(panel.loss),
            "epoch": epoch,
            "from": number(panel.edges[index]),
            "to": number(panel.edges[index + 1]),
            "share": number(shares[index]),
        }
        for panel in data.panels
        for epoch, shares in (("first", panel.first), ("last", panel.last))
        if shares is not None
        for index in np.flatnonzero(shares).tolist()
    ]


def example_losses_caption(data: ExampleLosses) -> tuple[str, str]:
    """Return what the figure shows for those who cannot see it, and its caption."""
    said = [f"{notation.plain(panel.arm)}: {_note(panel)}" for panel in data.panels if panel.arm in data.shown]
    alt = f"Losses of single examples. {'; '.join(said)}.".replace("\n", ", ")
    scale = "Logarithmic axes are cut at either end, " if any(panel.log for panel in data.panels) else "Axes end "
    caption = (
        f"Loss of single training examples on {notation.plain(data.dataset)}, seeds "
        f"pooled: first epoch (filled, median dotted) and last epoch (line, median solid). {scale}at the "
        f"{_CUT:g}th percentile of all arms with the same loss function; a share beyond is named from 1 % on. "
        "Examples whose loss stays high to the end are those that their negatives contradict, or the hardest."
    )
    return alt, caption + left_out(len(data.panels) - len(data.shown))
