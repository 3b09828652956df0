import pytest

from harness.reporting.figures import INK, WIDTH, drawing_style
from harness.reporting.plots.layout import Margins, arrowhead, fitted, off_scale, panel_grid, row_chart, text_width
from harness.stats import Interval


def test_a_name_that_does_not_fit_loses_its_middle() -> None:
    name = "a strategy with a share of 0.95"

    shown = fitted(name, 1.0)

    assert shown.startswith("a str")
    assert "…" in shown
    assert shown.endswith("0.95")
    assert text_width(shown) <= 1.0 < text_width(name)
    assert fitted(name, 9.0) == name


def test_panels_stand_where_their_inches_say() -> None:
    with drawing_style():
        figure, panels = panel_grid(4, across=3, height=1.0, margins=Margins(0.5, 0.5, 0.4, 0.6, 0.25, (0.3,)))

    assert (figure.get_figwidth(), figure.get_figheight()) == pytest.approx((WIDTH, 0.4 + 1.0 + 0.3 + 1.0 + 0.6))
    boxes = [panel.get_position() for panel in panels]
    panel = (WIDTH - 1.0 - 2 * 0.25) / 3
    lefts = [0.5, 0.5 + panel + 0.25, 0.5 + 2 * (panel + 0.25), 0.5]
    assert [box.x0 * WIDTH for box in boxes] == pytest.approx(lefts)
    assert boxes[3].y0 * 3.3 == pytest.approx(0.6)
    assert boxes[0].y0 * 3.3 == pytest.approx(1.9)
    assert boxes[2].x1 * WIDTH == pytest.approx(WIDTH - 0.5)


def test_rows_of_a_chart_run_from_the_top() -> None:
    with drawing_style():
        _, (axes,) = row_chart(["first", "second", "third"])

    assert axes.get_ylim() == pytest.approx((2.6, -0.6))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second", "third"]


def test_an_interval_far_from_the_others_is_off_the_scale_and_has_an_arrowhead() -> None:
    near = [Interval(0.5, 0.48, 0.52), Interval(0.52, 0.5, 0.54), Interval(0.49, 0.47, 0.51)]
    far = Interval(0.1, 0.08, 0.12)

    low, high = off_scale([*near, far])

    assert (low, high) == pytest.approx((0.47 - 0.05 * 0.07, 0.54 + 0.05 * 0.07))
    with drawing_style():
        _, (axes,) = row_chart(["one", "two"])
        axes.set_xlim(low, high)
        assert not arrowhead(axes, 0.5, 0, INK)
        assert not axes.lines
        assert arrowhead(axes, far.mean, 1, INK)
    assert low < float(axes.lines[0].get_xdata()[0]) < low + 0.1 * (high - low)
    assert axes.texts[0].get_text() == "0.100"
