"""Write a report as one HTML page that needs no other file and runs no script."""

from base64 import b64encode
from collections.abc import Mapping
from html import escape
from pathlib import Path

from harness.reporting.blocks import Block, Column, Document, Pairs, Picture, Prose, Section, Sentence, Table

__all__ = ["as_html"]

_STYLE = Path(__file__).with_name("report.css")


def as_html(document: Document, pictures: Mapping[str, bytes]) -> bytes:
    """Return the page; every text from the data is escaped, every picture embedded as SVG."""
    sections = [section for section in document.sections if not section.empty]
    contents = "".join(
        f'<li><a href="#section-{number}">{_text(section.title)}</a></li>' for number, section in enumerate(sections, 1)
    )
    body = [
        f'<header><p class="kind">Winnow report<span>{_text(document.name)}</span></p>',
        f"<h1>{_text(document.question)}</h1></header>",
        f'<div class="answer"><p>{_sentences(document.answer)}</p>',
        f"<p>{_sentences(document.further)}</p></div>" if document.further else "</div>",
        *(f'<p class="notice"><b>Attention.</b> {_text(notice)}</p>' for notice in document.notices),
        *(_block(block, pictures) for block in document.opening),
        f'<nav aria-label="Contents"><ol>{contents}</ol></nav>',
        *(_section(section, pictures, number) for number, section in enumerate(sections, 1)),
    ]
    title = f"{_text(document.name)}: {_text(document.question)}"
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_STYLE.read_text(encoding='utf-8')}</style>"
    )
    main = "\n".join(body)
    page = f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{main}\n</main></body></html>\n'
    return page.encode()


def _text(text: str) -> str:
    return escape(text)


def _sentences(sentences: tuple[Sentence, ...]) -> str:
    return " ".join(
        "".join(f"<b>{_text(piece)}</b>" if index % 2 else _text(piece) for index, piece in enumerate(sentence))
        for sentence in sentences
    )


def _section(section: Section, pictures: Mapping[str, bytes], number: int | None = None, level: int = 2) -> str:
    anchor = "" if number is None else f' id="section-{number}"'
    shown = f"{number}. {section.title}" if number is not None else section.title
    parts = [_section(part, pictures, level=min(level + 1, 6)) for part in section.parts if not part.empty]
    blocks = [_block(block, pictures) for block in section.blocks]
    return "\n".join([f"<section{anchor}><h{level}>{_text(shown)}</h{level}>", *blocks, *parts, "</section>"])


def _block(block: Block, pictures: Mapping[str, bytes]) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Picture):
        return _picture(block, pictures[block.file])
    if isinstance(block, Pairs):
        rows = "".join(f"<dt>{_text(what)}</dt><dd>{_text(value)}</dd>" for what, value in block.rows)
        return f"<dl>{rows}</dl>"
    assert isinstance(block, Prose)  # noqa: S101  # the last kind there is
    return f"<p>{_sentences(block.sentences)}</p>"


def _picture(block: Picture, content: bytes) -> str:
    source = f"data:image/svg+xml;base64,{b64encode(content).decode()}"
    shape = "" if block.full_width else ' class="natural"'
    image = f'<img{shape} src="{source}" alt="{_text(block.alt)}">'
    return f"<figure>{image}<figcaption>{_text(block.caption)}</figcaption></figure>"


def _kind(column: Column) -> str:
    if not column.text:
        return "number"
    return "text" if column.share else "short"


def _table(block: Table) -> str:
    kinds = [_kind(column) for column in block.columns]
    head = "".join(
        f'<th scope="col" class="{kind}">{_text(column.title)}</th>'
        for kind, column in zip(kinds, block.columns, strict=True)
    )
    body = []
    for index, row in enumerate(block.rows):
        if index in block.groups:
            body.append(f'<tr class="group"><td colspan="{len(row)}">{_text(block.groups[index])}</td></tr>')
        cells = "".join(f'<td class="{kind}">{_text(cell)}</td>' for kind, cell in zip(kinds, row, strict=True))
        kind = ' class="strong"' if index in block.strong else ""
        body.append(f"<tr{kind}>{cells}</tr>")
    caption = f"<caption>{_text(block.caption)}</caption>" if block.caption else ""
    inner = f"{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    return f'<div class="scroll"><table>{inner}</table></div>'
