"""Every figure drawn from a sweep of many arms whose names are made to break it."""

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import synthetic_tables as tables
from matplotlib.figure import Figure
from matplotlib.text import Text
from synthetic import Arm, Sweep, mined
from test_parts import keep

from harness.record import Stopping
from harness.reporting import figures
from harness.reporting.gallery import rows_as_csv
from harness.reporting.plots import (
    agreement,
    distributions,
    example_losses,
    gaps,
    learning,
    part_dots,
    query_pairs,
    removal,
    search_points,
    seed_strip,
    sensitivity,
    teachers_by_bases,
    tradeoff,
)
from harness.reporting.styles import Styles, family_styles
from harness.reporting.tables import Analysis, analyse, family_of
from harness.spec import ChoiceSpec, Component, RangeSpec, SearchSpec, TrainingSpec, Value

HOSTILE = ("y" * 80, "שלום עולם מאוד", "two\nlines\tand $x_1^2$", "日本語の名前", "=cmd|' /C calc'!A0", "<b>&amp;</b>")
SPACE = {
    "miner": ChoiceSpec(choices=tuple(Component(name=f"{name} rule") for name in HOSTILE)),
    "miner.share": RangeSpec(low=0.5, high=1.0, when={"miner": (f"{HOSTILE[0]} rule", f"{HOSTILE[3]} rule")}),
    "training.learning_rate": RangeSpec(low=1e-4, high=1.0, log=True),
}


@dataclass(frozen=True)
class Drawn:
    name: str
    figure: Figure
    draw: Callable[[], Figure]
    rows: list[dict[str, str | float]]
    caption: tuple[str, str]


def _arms() -> Iterator[Arm]:
    stopping = Stopping(steps=(1, 2, 3), values=(0.3, 0.5, 0.4), best_step=2)
    for place in range(32):
        share, teacher = 0.5 + 0.01 * place, "bm25" if place % 4 == 3 else "minilm"
        miner = (mined("topk_percpos", share=share), mined("oracle"), mined("random"), mined("topk"))[place % 4]
        name = f"{HOSTILE[place % len(HOSTILE)]} {place}"
        loss = Component(name="margin_mse" if place % 5 == 0 else "info_nce")
        training = TrainingSpec(loss=loss, learning_rate=2e-3)
        yield Arm(name, miner, 0.4 + 0.005 * place, 0.003 * place, teacher, training=training, stopping=stopping)
    yield Arm("a base\n" + "z" * 80, mined("oracle"), base="other " + "w" * 60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    points = [Arm(f"tuned #{place} ({HOSTILE[2]})", mined("topk_percpos", share=0.6), 0.4) for place in range(9)]
    arms = [*_arms(), *points]
    search = SearchSpec(arm="tuned", trials=9, space=SPACE, minimise="contamination")
    Sweep(arms=arms, baseline=arms[2].name, seeds=(0, 1), test=12, dev=9, search=search, kept=True).write(folder)
    values: dict[str, dict[str, Value]] = {}
    for place, arm in enumerate(points):
        values[arm.name] = {"miner": f"{HOSTILE[place % 6]} rule", "training.learning_rate": 1e-4 * (1 + place / 9)}
        if place % 3 == 0:
            values[arm.name]["miner.share"] = 0.5 * (1 + place / 9)
    tables.make_points(folder, values)
    keep(folder, size=12)
    return folder


@pytest.fixture(scope="module")
def hostile(folder: Path) -> Analysis:
    return analyse(folder)


@pytest.fixture(scope="module")
def everything(hostile: Analysis, folder: Path) -> list[Drawn]:
    styles = family_styles([family_of(arm) for arm in hostile.results.plan.arms])
    drawn = []
    for name, data, draw, rows, caption, styled in _all(hostile, folder):
        again = _bound(draw, data, styles if styled else None)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            drawn.append(Drawn(name, again(), again, rows(data), caption(data)))
    return drawn


def _bound(draw: Callable[..., Figure | None], data: object, styles: Styles | None) -> Callable[[], Figure]:
    def drawn() -> Figure:
        figure = draw(data) if styles is None else draw(data, styles)
        assert figure is not None
        return figure

    return drawn


def _all(hostile: Analysis, folder: Path) -> Iterator[tuple[str, Any, Any, Any, Any, bool]]:
    found = {
        distributions: distributions.compute(hostile),
        gaps: gaps.compute(hostile),
        example_losses: example_losses.compute(hostile),
        tradeoff: tradeoff.compute(hostile),
        removal: removal.compute(hostile),
        agreement: agreement.compute(hostile),
        sensitivity: sensitivity.compute(hostile),
        search_points: (search_points.compute(hostile),),
        teachers_by_bases: teachers_by_bases.compute(hostile),
        learning: learning.compute(hostile),
        query_pairs: query_pairs.compute(hostile),
        seed_strip: seed_strip.compute(hostile),
        part_dots: part_dots.compute(hostile),
    }
    unstyled = {"agreement", "front", "teacher_agreement", "importances", "slices", "teachers_by_bases", "query_pairs"}
    for module, group in found.items():
        names = [name.removeprefix("draw_") for name in module.__all__ if name.startswith("draw_")]
        for data in group:
            for name in names:
                if name == "teacher_agreement" and data.teachers is None:
                    continue
                functions = (
                    getattr(module, f"{kind}{name}{rest}")
                    for kind, rest in (("draw_", ""), ("", "_rows"), ("", "_caption"))
                )
                yield name, data, *functions, name not in unstyled


def test_every_figure_is_there(everything: list[Drawn]) -> None:
    assert {drawn.name for drawn in everything} == {
        "agreement",
        "distributions",
        "example_losses",
        "front",
        "gaps",
        "importances",
        "learning",
        "part_dots",
        "query_pairs",
        "removal",
        "seed_strip",
        "sensitivity",
        "slices",
        "stopping",
        "teachers_by_bases",
        "tradeoff",
    }


def test_text_is_text_of_at_least_seven_points_and_the_bytes_are_always_the_same(everything: list[Drawn]) -> None:
    for drawn in everything:
        first, second = (figures.to_svg(figure) for figure in (drawn.figure, drawn.draw()))

        sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:\w+ )*([0-9.]+)px", first.decode())]
        assert sizes, drawn.name
        assert min(sizes) >= 7.0, drawn.name
        assert first == second, drawn.name


def test_no_figure_is_wider_than_a_page_or_has_more_than_twelve_panels(everything: list[Drawn]) -> None:
    for drawn in everything:
        figure = drawn.figure

        assert figure.get_figwidth() <= figures.WIDTH + 1e-9, drawn.name
        assert figure.get_figheight() <= 9.0, drawn.name
        assert len(figure.axes) <= 12, drawn.name


def _beyond_axes(figure: Figure) -> Iterator[Text]:
    """Yield the labels of ticks that are not drawn: beyond their axis, or in a panel that is not visible."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not (axes.get_visible() and low <= tick.get_loc() <= high):
                    yield from (tick.label1, tick.label2)


def test_no_text_leaves_its_figure(everything: list[Drawn]) -> None:
    for drawn in everything:
        figure = drawn.figure
        with figures.drawing_style():
            figure.canvas.draw()
        width, height = figure.bbox.size

        for text in set(figure.findobj(Text)) - set(_beyond_axes(figure)):
            if text.get_visible() and text.get_text().strip():
                box = text.get_window_extent()
                inside = box.x0 > -2 and box.y0 > -2 and box.x1 < width + 2 and box.y1 < height + 2
                assert inside, f"{drawn.name}: {text.get_text()!r} at {box.extents} of {width} by {height}"


def test_data_and_captions_are_complete(everything: list[Drawn]) -> None:
    for drawn in everything:
        lines = rows_as_csv(drawn.rows).decode().splitlines()

        assert drawn.rows, drawn.name
        assert len(lines) > len(drawn.rows), drawn.name
        assert all(set(row) == set(drawn.rows[0]) for row in drawn.rows), drawn.name
        assert not any(str(value).startswith("=") for row in drawn.rows for value in row.values()), drawn.name
        alt, caption = drawn.caption
        assert alt.endswith("."), drawn.name
        assert "\n" not in alt + caption, drawn.name
        assert "None" not in alt + caption, drawn.name
