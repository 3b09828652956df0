"""What the teachers' scores and the training losses say about each way of choosing negatives."""

from harness.reporting.blocks import Section
from harness.reporting.gallery import Gallery
from harness.reporting.plots import distributions as scores
from harness.reporting.plots import example_losses, gaps
from harness.reporting.sections.drawn import Kind, drawn
from harness.reporting.tables import Analysis

__all__ = ["distributions"]


def distributions(analysis: Analysis, gallery: Gallery) -> Section:
    """Return small multiples of scores, of how far negatives lie below positives, and of losses of examples."""
    styles = analysis.styles
    by_score: Kind[scores.Distributions] = Kind(
        "scores",
        lambda data: scores.draw_distributions(data, styles),
        scores.distributions_rows,
        scores.distributions_caption,
    )
    by_gap: Kind[gaps.Gaps] = Kind("gaps", lambda data: gaps.draw_gaps(data, styles), gaps.gaps_rows, gaps.gaps_caption)
    by_loss: Kind[example_losses.ExampleLosses] = Kind(
        "losses",
        lambda data: example_losses.draw_example_losses(data, styles),
        example_losses.example_losses_rows,
        example_losses.example_losses_caption,
    )
    parts = (
        Section("Scores by the teacher", tuple(drawn(analysis, gallery, scores.compute(analysis), by_score))),
        Section("Negatives below their positives", tuple(drawn(analysis, gallery, gaps.compute(analysis), by_gap))),
        Section(
            "Losses of single examples", tuple(drawn(analysis, gallery, example_losses.compute(analysis), by_loss))
        ),
    )
    return Section("Score distributions", (), parts)
