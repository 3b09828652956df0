"""Has a refresh renew the negatives of a feed at its steps."""

import logging
import time
from dataclasses import asdict
from typing import Any

from harness.errors import ConfigError
from harness.measures import RefreshRecord
from harness.mining.base import PADDING
from harness.mining.consensus import among
from harness.teachers.dense import Embed
from harness.training.data import Feed
from harness.training.refresh.base import Moment, Renewing
from harness.training.refresh.ledger import Ledger

__all__ = ["Renewals"]

_LOG = logging.getLogger(__name__)


class Renewals:
    """The renewals of one training.

    The trainer fetches one batch ahead within an epoch: the step that follows a refresh
    still has the negatives from before it, unless it is the first of its epoch.
    """

    def __init__(self, refresh: Renewing, feed: Feed, embed: Embed) -> None:
        self._every = refresh.every
        self._feed = feed
        self._embed = embed
        self._renewal = refresh.begin(feed.data, embed)
        self._ledger = Ledger()

    def after(self, step: int) -> None:
        """Renew the negatives if it is time to after `step` updates."""
        if step % self._every:
            return
        start, before = time.perf_counter(), self._feed.negatives
        negatives = self._renewal(Moment(step, before, self._embed))
        if negatives.shape != before.shape:
            message = f"the refresh gave negatives of shape {negatives.shape} for those of shape {before.shape}"
            raise ConfigError(message)
        filled = negatives != PADDING
        new = filled & ~among(negatives, before, len(self._feed.data.document_texts))
        self._feed.replace(negatives, step)
        seconds, replaced, compared = time.perf_counter() - start, int(new.sum()), int(filled.sum())
        self._ledger.enter(step=step, seconds=seconds, replaced=replaced, compared=compared)
        _LOG.info("refresh after step %d: %.2f s, %d of %d negatives are new", step, seconds, replaced, compared)

    @property
    def settled(self) -> bool:
        """Whether a checkpoint may be written: the feed says so."""
        return True

    def remember(self) -> dict[str, object]:
        """Return the account so far and what the renewal remembers, for a checkpoint."""
        own = self._renewal.remember() if hasattr(self._renewal, "remember") else {}
        return {"ledger": asdict(self._ledger), "renewal": own}

    def recall(self, state: dict[str, Any]) -> None:  # Any: as `remember` wrote it
        """Go back to a checkpoint."""
        self._ledger = Ledger(**state["ledger"])
        if hasattr(self._renewal, "recall"):
            self._renewal.recall(state["renewal"])

    def record(self, steps: int) -> RefreshRecord:
        """Sum up a training of so many steps."""
        return self._ledger.record(self._feed.mined_at[:steps])
