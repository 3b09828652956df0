"""The trainer of sentence-transformers with checkpoints of our own: no pickle, verified, continued bit by bit."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from sentence_transformers import SentenceTransformerTrainer
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from harness.training.checkpoints import Checkpoints
from harness.training.random_states import random_states, set_random_states
from harness.training.weights import load_weights, trained_weights

__all__ = ["Remembering", "ResumableTrainer"]


class Remembering(Protocol):
    """Something beside model and optimizer that a training changes: the negatives of the moment, a look at dev."""

    @property
    def settled(self) -> bool:
        """Whether a checkpoint may be written now; it waits until every part says so."""
        ...

    def remember(self) -> dict[str, object]:
        """Return the state, of texts, numbers, tensors and what holds them."""
        ...

    def recall(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        ...


class ResumableTrainer(SentenceTransformerTrainer):
    """A trainer that writes and reads `checkpoints`, and has each of `parts` remember its state in them.

    The order of an epoch is no part of a checkpoint: the sampler draws it from the seed
    and the number of the epoch. One that depends on more belongs to the parts.
    Every override stands in for one that writes or unpickles a file of its own.
    """

    def __init__(self, *, checkpoints: Checkpoints | None, parts: Mapping[str, Remembering], **settings: Any) -> None:
        super().__init__(**settings)  # Any: these are the parent's own
        self._checkpoints = checkpoints
        self._parts = parts
        self._state: dict[str, Any] = {}
        if checkpoints is not None:
            self.add_callback(_Due(checkpoints.minutes, parts))

    def go_on(self) -> None:
        """Train to the end, from the newest intact checkpoint if there is one."""
        newest = self._checkpoints.newest() if self._checkpoints is not None else None
        self.train(resume_from_checkpoint=None if newest is None else str(newest))

    def _save_checkpoint(self, model: torch.nn.Module, trial: object) -> None:
        del model, trial
        assert self._checkpoints and self.optimizer and self.lr_scheduler  # noqa: S101, PT018  # a step has been made
        state = {
            "model": trained_weights(self.model),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.lr_scheduler.state_dict(),
            "random": random_states(),
            "parts": {name: each.remember() for name, each in self._parts.items()},
        }
        self._checkpoints.write(self.state.global_step, state, _as_json(self.state))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: object = None) -> None:
        del model
        assert self._checkpoints is not None  # noqa: S101  # `go_on` has it from there
        self._state = cast("dict[str, Any]", self._checkpoints.read(Path(resume_from_checkpoint)))
        load_weights(self.model, self._state["model"])
        for name, each in self._parts.items():
            each.recall(self._state["parts"][name])

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            assert self.optimizer and self.lr_scheduler  # noqa: S101, PT018  # both have just been made
            self.optimizer.load_state_dict(self._state["optimizer"])
            self.lr_scheduler.load_state_dict(self._state["scheduler"])

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            set_random_states(self._state["random"])


class _Due(TrainerCallback):
    """Asks for a checkpoint when some minutes have passed since the last."""

    def __init__(self, minutes: float, parts: Mapping[str, Remembering]) -> None:
        self._seconds = 60 * minutes
        self._parts = parts
        self._last = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> TrainerControl:
        """Ask once it is time and every part is settled; the last step needs none."""
        del args
        last = control.should_training_stop or state.global_step >= state.max_steps
        if not last and time.monotonic() - self._last >= self._seconds:
            control.should_save = all(part.settled for part in self._parts.values())
        return control

    def on_save(self, *_: object, **__: object) -> None:
        """Count from now on."""
        self._last = time.monotonic()


def _as_json(state: TrainerState) -> str:
    return json.dumps(asdict(state), indent=1) + "\n"
