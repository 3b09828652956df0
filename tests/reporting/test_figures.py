import csv
import io
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import QUICKSTART, Arm, Sweep, mined

from harness.record import Histograms
from harness.reporting import figures, labels
from harness.reporting.blocks import Picture, Section
from harness.reporting.document import compose
from harness.reporting.gallery import Gallery
from harness.reporting.points import KINDS, densities, forest, overall_forest, panels, scatter
from harness.reporting.styles import Styles, family_styles
from harness.reporting.tables import Analysis, analyse

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def styles(analysis: Analysis) -> Styles:
    return family_styles([row.family for row in analysis.tables[0].rows])


def test_the_headline_forest_holds_every_difference_best_first(analysis: Analysis) -> None:
    data = overall_forest(analysis)

    table = analysis.tables[0]
    expected = [(row.arm, row.difference) for row in table.rows if row.difference is not None]
    assert [(point.arm, point.value) for point in data.points] == expected
    assert [point.sure for point in data.points] == [
        row.versus.verdict in {"better", "worse"} for row in table.rows if row.versus is not None
    ]


def test_an_outlier_does_not_stretch_the_forests_axis(analysis: Analysis) -> None:
    data = forest(analysis, analysis.tables[0])

    untrained = data.points[-1]
    assert untrained.arm == "untrained"
    assert untrained.value.high < data.low
    assert all(data.low < point.value.low and point.value.high < data.high for point in data.points[:-1])


def test_without_a_baseline_the_forest_shows_means(tmp_path: Path) -> None:
    analysis = analyse(Sweep(arms=QUICKSTART[1:4], baseline=None, test=30, dev=9).write(tmp_path))

    data = overall_forest(analysis)

    assert data.reference is None
    assert [point.value for point in data.points] == [row.score for row in analysis.tables[0].rows]


def test_the_scatter_has_the_mining_arms_as_points_and_the_others_as_levels(analysis: Analysis) -> None:
    data = scatter(analysis, analysis.tables[0])

    assert {point.arm for point in data.points} == {arm.name for arm in QUICKSTART if arm.miner is not None}
    assert [name for name, _ in data.levels] == ["in-batch"]


def test_panels_are_grouped_by_teacher_with_common_axes(analysis: Analysis) -> None:
    minilm, bm25 = panels(analysis)

    assert (len(minilm.panels), len(bm25.panels)) == (8, 1)
    for group in (minilm, bm25):
        for panel in group.panels:
            for kind, density in panel.density.items():
                assert np.sum(density * np.diff(panel.edges)) == pytest.approx(1.0)
                assert density.max() <= group.top or kind == "removed"
                assert not density[(panel.edges[:-1] < group.low) | (panel.edges[1:] > group.high)].any()


def test_counts_of_all_seeds_make_one_density(analysis: Analysis) -> None:
    runs = analysis.results.cells["random", "docstrings"].runs
    total = np.sum([run.audit.histograms.counts["negative"] for run in runs if run.audit is not None], axis=0)

    panel = next(panel for panel in panels(analysis)[0].panels if panel.arm == "random")

    assert panel.density["negative"] == pytest.approx(total / total.sum() / np.diff(panel.edges))


def test_kinds_without_counts_are_left_out() -> None:
    found = densities(Histograms(edges=(0.0, 0.5, 1.0), counts={"positive": (1, 3), "removed": (0, 0)}))

    assert {kind: density.tolist() for kind, density in found.items()} == {"positive": [0.5, 1.5]}


def test_many_arms_are_split_over_several_figures_with_the_same_axes(tmp_path: Path) -> None:
    arms = [Arm(f"arm {n}", mined("topk"), contamination=0.01 * n) for n in range(13)]

    groups = panels(analyse(Sweep(arms=arms, baseline=None, seeds=(0,), test=9, dev=9).write(tmp_path)))

    assert [len(group.panels) for group in groups] == [12, 1]
    assert len({(group.low, group.high, group.top) for group in groups}) == 1


def _pictures(section: Section) -> list[Picture]:
    own = [block for block in section.blocks if isinstance(block, Picture)]
    return [*own, *(picture for part in section.parts for picture in _pictures(part))]


def _drawn(analysis: Analysis) -> dict[str, bytes]:
    gallery = Gallery()
    compose(analysis, gallery)
    return gallery.files


def test_every_figure_has_its_vector_its_image_and_its_data(analysis: Analysis) -> None:
    gallery = Gallery()
    document = compose(analysis, gallery)

    drawn = gallery.files
    names = {name.rpartition(".")[0] for name in drawn}
    assert set(drawn) == {f"{name}.{kind}" for name in names for kind in ("svg", "png", "csv")}
    used = _pictures(Section("page one", document.opening, document.sections))
    assert {picture.file for picture in used} == {f"{name}.svg" for name in names}
    assert all(picture.alt and picture.caption for picture in used)
    lines = list(csv.DictReader(io.StringIO(drawn["difference.csv"].decode())))
    assert [line["arm"] for line in lines] == [point.arm for point in overall_forest(analysis).points]


def test_drawing_twice_gives_the_same_bytes(analysis: Analysis) -> None:
    first, second = _drawn(analysis), _drawn(analysis)

    assert {name for name in first if first[name] != second[name]} == set()
    assert not any(re.search(rb"<dc:date>", content) for content in first.values())


def test_text_stays_text_and_is_large_enough(analysis: Analysis, styles: Styles) -> None:
    for drawing in (
        figures.draw_forest(overall_forest(analysis), styles),
        figures.draw_scatter(scatter(analysis, analysis.tables[0]), styles),
        figures.draw_panels(panels(analysis)[0]),
    ):
        svg = figures.to_svg(drawing).decode()
        sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:\w+ )*([0-9.]+)px", svg)]
        assert "topk percpos 0.80" in svg
        assert sizes
        assert min(sizes) >= 7.0


def test_a_family_keeps_its_colour_and_shape_and_shares_them_with_no_other() -> None:
    names = [f"family {n}" for n in range(16)]

    styles = family_styles([*names, *names])

    assert len(set(styles.values())) == 16
    assert family_styles(names[:3]) == {name: styles[name] for name in names[:3]}


def test_names_that_the_font_cannot_draw_are_drawn_as_boxes_without_a_warning(tmp_path: Path) -> None:
    arms = [Arm("\u65e5\u672c $x$", mined("topk")), Arm("y" * 90, mined("random"), contamination=0.5)]
    analysis = analyse(Sweep(arms=arms, baseline=arms[0].name, seeds=(0,), test=9, dev=9).write(tmp_path))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = _drawn(analysis)

    assert "□□ $x$" in drawn["difference.svg"].decode()


def test_one_run_has_its_own_score_distribution(analysis: Analysis) -> None:
    audited = analysis.results.cells["topk", "docstrings"].runs[0]
    plain = analysis.results.cells["in-batch", "docstrings"].runs[0]

    image = figures.score_distribution_figure(audited)

    assert image is not None
    assert image.startswith(PNG)
    assert image == figures.score_distribution_figure(audited)
    assert figures.score_distribution_figure(plain) is None


def test_every_kind_of_score_has_a_style() -> None:
    assert set(figures._KINDS) == set(KINDS)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 60)), min_size=1, max_size=6, unique=True))
@settings(max_examples=60, deadline=None)
def test_labels_take_a_free_place_where_there_is_one(points: list[tuple[float, float]]) -> None:
    inside = (-400.0, -400.0, 500.0, 500.0)
    taken = [labels._around(point, 4.0) for point in points]

    for point in points:
        _, box = labels._best(point, (30.0, 8.0), taken, inside)
        assert sum(labels.overlap(box, other) for other in taken) == 0.0
        taken.append(box)
