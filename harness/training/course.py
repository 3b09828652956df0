"""How the negatives of one training come about: what is handed out, what the loss sees, what happens between steps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from harness.errors import ConfigError
from harness.losses.base import Loss
from harness.measures import RefreshRecord
from harness.registry import REFRESHES
from harness.spec import TrainingSpec
from harness.training.contrast import Contrast
from harness.training.data import Feed, QueryFeed, TrainingData
from harness.training.embedding import embedder
from harness.training.refresh.base import Renewing, Searching
from harness.training.renewals import Renewals
from harness.training.searched import Searched

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import TrainerCallback

    from harness.training.peers import Peers
    from harness.training.resuming import Remembering

__all__ = ["Course", "begin"]


@dataclass(frozen=True)
class Course:
    """The parts of a training that its refresh decides."""

    feed: Feed
    module: Contrast | Searched
    renewals: Renewals | None = None

    @property
    def parts(self) -> "dict[str, Remembering]":
        """What a checkpoint has to remember beside the model."""
        found: dict[str, Remembering] = {"feed": self.feed, "trace": self.module.trace}
        if self.renewals is not None:
            found["renewals"] = self.renewals
        if isinstance(self.module, Searched):
            found["searched"] = self.module
        return found

    def share_with(self, peers: "Peers") -> None:
        """Have `peers` embed their shares of each batch; raise ConfigError if the refresh allows of none."""
        if isinstance(self.module, Searched):
            message = "a refresh that searches in every step trains in one process only"
            raise ConfigError(message)
        self.module.peers = peers

    def callback(self) -> "TrainerCallback":
        """Return what tells the feed of epochs, and the renewals of steps; none follows the last step."""
        from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

        feed, trace, renewals = self.feed, self.module.trace, self.renewals

        class Steps(TrainerCallback):
            def on_train_begin(
                self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
            ) -> None:
                del args, control, kwargs
                feed.go_on_from(int(state.epoch or 0), state.global_step)

            def on_epoch_begin(self, *_: object, **__: object) -> None:
                feed.next_epoch()
                trace.epoch = feed.epoch

            def on_step_end(
                self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
            ) -> None:
                del args, control, kwargs
                if renewals is not None and state.global_step < state.max_steps:
                    renewals.after(state.global_step)

        return Steps()

    def record(self, steps: int) -> RefreshRecord | None:
        """Say how the negatives changed over so many steps; None if nothing was to change them."""
        if isinstance(self.module, Searched):
            return self.module.record(steps)
        return None if self.renewals is None else self.renewals.record(steps)


def begin(
    model: "SentenceTransformer",
    data: TrainingData,
    training: TrainingSpec,
    loss: Loss,
    micro_batch: int | None = None,
) -> Course:
    """Set a training up; raise ConfigError if its refresh cannot work on `data` with `loss`."""
    chosen = training.refresh
    refresh = None if chosen is None else REFRESHES.create(chosen.name, chosen.params)
    if isinstance(refresh, Searching):
        index = embedder(model)(data.document_texts, "document")
        return Course(QueryFeed(data), Searched(model, loss, data, index, refresh.depth))
    feed = Feed(data)
    renewals = None
    if refresh is not None and chosen is not None:
        if data.mining is None:
            message = f"the refresh {chosen.name} needs a mining that it can ask again"
            raise ConfigError(message)
        renewals = Renewals(cast("Renewing", refresh), feed, embedder(model))
    return Course(feed, Contrast(model, loss, data, micro_batch), renewals)
