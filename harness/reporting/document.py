"""Put the sections of a report together."""

from harness.reporting import notation
from harness.reporting.answer import answer
from harness.reporting.blocks import Document, Section, as_data
from harness.reporting.facts import facts
from harness.reporting.gallery import Gallery
from harness.reporting.sections.ablation import ablation
from harness.reporting.sections.conditions import conditions
from harness.reporting.sections.distributions import distributions
from harness.reporting.sections.judging import judging
from harness.reporting.sections.opening import notices, opening
from harness.reporting.sections.queries import queries
from harness.reporting.sections.removal import removal
from harness.reporting.sections.reproduction import reproduction
from harness.reporting.sections.sensitivity import sensitivity
from harness.reporting.tables import Analysis

__all__ = ["compose", "document_data"]


def compose(analysis: Analysis, gallery: Gallery) -> Document:
    """Return everything that a report says, its figures drawn into the gallery."""
    plan, said, checked = analysis.results.plan, answer(analysis), facts(analysis.results)
    sections = (
        ablation(analysis, gallery),
        distributions(analysis, gallery),
        removal(analysis, gallery),
        sensitivity(analysis, gallery),
        queries(analysis, gallery),
        judging(analysis, gallery),
        conditions(analysis, checked),
        reproduction(analysis),
    )
    return Document(
        name=notation.plain(plan.name),
        question=" ".join(notation.plain(plan.question).split()),
        answer=said.sentences,
        further=said.further,
        notices=notices(analysis, checked),
        opening=opening(analysis, gallery),
        sections=tuple(section for section in sections if not section.empty),
    )


def document_data(document: Document) -> dict[str, object]:
    """Return a document as JSON data for a template."""
    return {
        "name": document.name,
        "question": document.question,
        "answer": [list(sentence) for sentence in document.answer],
        "further": [list(sentence) for sentence in document.further],
        "notices": list(document.notices),
        "opening": [as_data(block) for block in document.opening],
        "sections": [_section(section) for section in document.sections],
    }


def _section(section: Section) -> dict[str, object]:
    return {
        "title": section.title,
        "blocks": [as_data(block) for block in section.blocks],
        "parts": [_section(part) for part in section.parts if not part.empty],
    }
