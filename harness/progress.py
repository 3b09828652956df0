"""How far a long step is, on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from harness.teachers.base import Progress

__all__ = ["progress_shown"]


@contextmanager
def progress_shown() -> Iterator[Progress]:
    """Show a bar on a terminal, elsewhere a line per kind of step, so that a log can be read."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Bar(*columns, console=console, disable=not console.is_terminal, transient=True)
    steps: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in steps:
            steps[what] = bar.add_task(what, total=total)
            if not console.is_terminal:
                console.print(f"{what} ({total:,})", markup=False)
        bar.update(steps[what], completed=done, total=total)

    with bar:
        yield tell
