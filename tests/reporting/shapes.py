"""Four sweeps of very different shape, and what their reports say as text."""

from collections.abc import Iterator

from synthetic import QUICKSTART, Arm, Sweep, mined

from harness.reporting.blocks import Block, Document, Pairs, Picture, Section, Table
from harness.spec import RangeSpec, SearchSpec

_LONG = "an arm whose name says all that can be said of it, up to eighty characters, no: "

SHAPES = {
    # three arms of three letters, one seed, no audit: the least there can be
    "tiny": Sweep(
        arms=(Arm("abc", level=0.3, trained=False), Arm("def", level=0.5), Arm("ghi", level=0.52)),
        seeds=(0,),
        baseline="def",
        name="tiny",
        test=40,
        dev=20,
    ),
    # the quickstart's arms on two datasets, with failures and a planned comparison less
    "usual": Sweep(
        datasets=("one", "two"),
        failed=[("random", 1)],
        missing=[("topk abs", 2)],
        unplanned=("bm25 topk",),
        kept=True,
        test=60,
        dev=30,
        name="usual",
    ),
    # sixty arms on one dataset, most of them points of a search
    "many arms": Sweep(
        arms=(
            Arm("topk", mined("topk"), 0.5, 0.1),
            Arm("margin", mined("topk_percpos"), 0.5, 0.05),
            *(
                Arm(
                    f"margin #{n} (share={0.5 + n / 120:.3f})",
                    mined("topk_percpos", share=0.5 + n / 120),
                    0.5 + n / 900,
                )
                for n in range(57)
            ),
            Arm("oracle", mined("oracle"), 0.52, 0.0),
        ),
        seeds=(0, 1, 2, 3, 4),
        search=SearchSpec(arm="margin", trials=57, space={"miner.share": RangeSpec()}),
        test=50,
        dev=20,
        name="many-arms",
    ),
    # names of eighty characters on twenty datasets, no baseline
    "many datasets": Sweep(
        arms=tuple(
            Arm((_LONG + name)[-80:].strip().ljust(80, "x"), arm.miner, arm.level, arm.contamination)
            for name, arm in zip("abcde", QUICKSTART[1:6], strict=True)
        ),
        datasets=tuple(f"{'a_dataset_with_a_name_that_goes_on_and_on_' * 2}{n:02}"[-80:] for n in range(20)),
        baseline=None,
        seeds=(0, 1),
        test=20,
        dev=10,
        name="many-datasets",
    ),
}


def as_text(document: Document) -> str:
    """Write out a document, a cell for a cell."""
    lines = [f"# {document.name}: {document.question}", _said(document.answer), _said(document.further)]
    lines += [f"! {notice}" for notice in document.notices]
    lines += [line for block in document.opening for line in _block(block)]
    lines += [line for section in document.sections for line in _section(section, 2)]
    return "\n".join(lines) + "\n"


def _said(sentences: tuple[tuple[str, ...], ...]) -> str:
    return " ".join("".join(sentence) for sentence in sentences)


def _section(section: Section, level: int) -> Iterator[str]:
    if not section.empty:
        yield f"\n{'#' * level} {section.title}"
        for block in section.blocks:
            yield from _block(block)
        for part in section.parts:
            yield from _section(part, level + 1)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Table):
        yield f"[table {block.name} {block.title}] {block.caption}"
        yield " | ".join(column.title for column in block.columns)
        for index, row in enumerate(block.rows):
            if index in block.groups:
                yield f"-- {block.groups[index]}"
            yield ("* " if index in block.strong else "") + " | ".join(row)
    elif isinstance(block, Picture):
        yield f"[picture {block.file}] {block.alt}\n  {block.caption}"
    elif isinstance(block, Pairs):
        yield from (f"{what}: {value}" for what, value in block.rows)
    else:
        yield _said(block.sentences)
