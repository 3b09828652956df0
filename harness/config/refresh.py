"""What goes together with a refresh of the negatives, and what does not."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from harness.mistakes import shown
from harness.registry import LOSSES, REFRESHES
from harness.spec import MiningSpec, TrainingSpec

if TYPE_CHECKING:
    from harness.losses.base import Loss
    from harness.training.refresh.base import Refresh

__all__ = ["refresh_mistakes"]

_EXCLUDED = {
    "redraw": "must be false in an arm with the refresh {}: both say when negatives change",
    "repair": "must be none in an arm with the refresh {}: every refresh would drop or add other pairs",
    "mix": "must be none in an arm with the refresh {}: it goes on from the pool of one teacher",
}
_WHOLE_CORPUS = "random"


def refresh_mistakes(training: TrainingSpec, mining: MiningSpec | None) -> Iterator[tuple[str, str]]:
    """Yield the dotted key of each setting that does not go with the refresh of an arm, and what is wrong with it."""
    if training.refresh is None:
        return
    name = training.refresh.name
    refresh = cast("type[Refresh]", REFRESHES[name].factory)
    if not refresh.mines:
        yield from _without_documents(training, mining)
        return
    if mining is None:
        yield "training.refresh", f"must be static in an arm without a miner: {name} goes on from what a miner chose"
        return
    for key, message in _EXCLUDED.items():
        if getattr(mining, key):
            yield key, message.format(name)
    if refresh.reads_pool and mining.miner.name == _WHOLE_CORPUS:
        yield "miner", f"must look at candidates in an arm with the refresh {name}; redraw draws anew from the corpus"


def _without_documents(training: TrainingSpec, mining: MiningSpec | None) -> Iterator[tuple[str, str]]:
    """Yield what does not go with a refresh that trains the query encoder alone."""
    assert training.refresh is not None  # noqa: S101  the caller has looked
    name, loss = training.refresh.name, training.loss.name
    made = cast("Loss", LOSSES.create(loss, training.loss.params))
    if mining is not None:
        yield "miner", f"must be none in an arm with the refresh {name}, which finds its own negatives"
    if getattr(made, "guidance", "none") != "none":
        yield "training.loss", f"must look up no teacher in an arm with the refresh {name}, got {shown(loss)}"
    elif not getattr(made, "row_wise", True):
        message = f"must read no more than queries against documents in an arm with the refresh {name}"
        yield "training.loss", f"{message}, got {shown(loss)}"
    if training.early_stopping is not None:
        yield "training.early_stopping", f"must be none in an arm with the refresh {name}: documents are not trained"
    if training.micro_batch is not None:
        yield "training.micro_batch", f"has no effect in an arm with the refresh {name}, which embeds queries alone"
