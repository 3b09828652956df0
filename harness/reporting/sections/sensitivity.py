"""How much settings matter: thresholds, searched parameters, teachers and bases, and the course of training."""

from harness.reporting.blocks import Picture, Section
from harness.reporting.gallery import Gallery
from harness.reporting.plots import learning, search_points, teachers_by_bases
from harness.reporting.plots import sensitivity as settings
from harness.reporting.sections.drawn import Kind, drawn
from harness.reporting.tables import Analysis

__all__ = ["sensitivity"]


def sensitivity(analysis: Analysis, gallery: Gallery) -> Section:
    """Return what there is of each; a sweep without a search or without several teachers lacks theirs."""
    styles = analysis.styles
    over: Kind[settings.Sensitivity] = Kind(
        "sensitivity",
        lambda data: settings.draw_sensitivity(data, styles),
        settings.sensitivity_rows,
        settings.sensitivity_caption,
    )
    matrix: Kind[teachers_by_bases.TeachersByBases] = Kind(
        "teachers-by-bases",
        teachers_by_bases.draw_teachers_by_bases,
        teachers_by_bases.teachers_by_bases_rows,
        teachers_by_bases.teachers_by_bases_caption,
    )
    loss: Kind[learning.Learning] = Kind(
        "learning", lambda data: learning.draw_learning(data, styles), learning.learning_rows, learning.learning_caption
    )
    stopping: Kind[learning.Learning] = Kind(
        "stopping",
        lambda data: learning.draw_stopping(data, styles),
        learning.stopping_rows,
        learning.stopping_caption,
    )
    courses = learning.compute(analysis)
    trained = [*drawn(analysis, gallery, courses, loss), *drawn(analysis, gallery, courses, stopping)]
    parts = (
        Section("Over single settings", tuple(drawn(analysis, gallery, settings.compute(analysis), over))),
        Section("The search", tuple(_search(analysis, gallery))),
        Section("Teachers and bases", tuple(drawn(analysis, gallery, teachers_by_bases.compute(analysis), matrix))),
        Section("The course of training", tuple(trained)),
    )
    return Section("Sensitivity", (), parts)


def _search(analysis: Analysis, gallery: Gallery) -> list[Picture]:
    data = search_points.compute(analysis)
    if data is None:
        return []
    pictures = []
    importances = search_points.draw_importances(data)
    if importances is not None:
        rows, words = search_points.importances_rows(data), search_points.importances_caption(data)
        pictures.append(gallery.add("importances", importances, rows, words))
    rows, words = search_points.slices_rows(data), search_points.slices_caption(data)
    front = search_points.draw_front(data)
    if front is not None:
        points, said = search_points.front_rows(data), search_points.front_caption(data)
        pictures.append(gallery.add("front", front, points, said))
    return [*pictures, gallery.add("slices", search_points.draw_slices(data), rows, words)]
