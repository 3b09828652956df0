"""Early stopping: look at dev now and then, stop when it no longer rises, and go back to the best."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from harness.spec import EarlyStoppingSpec
from harness.training.random_states import random_states, set_random_states
from harness.training.weights import load_weights, trained_weights

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["EarlyStopping"]


class EarlyStopping(TrainerCallback):
    """Looks every few steps and at the last; keeps the best weights in the CPU's memory.

    `measure` gives the dev metric of the model as it is; it sees no loss. A value that
    equals the best so far is no rise. Looking changes nothing: neither the model's mode
    nor any random state.
    """

    settled = True

    def __init__(self, model: "SentenceTransformer", settings: EarlyStoppingSpec, measure: Callable[[], float]) -> None:
        self._model = model
        self._settings = settings
        self._measure = measure
        self._best: dict[str, torch.Tensor] = {}
        self.looks: list[tuple[int, float]] = []
        """(step, value) of every look."""

    @property
    def best(self) -> tuple[int, float]:
        """The first of the best looks."""
        return max(self.looks, key=lambda look: (look[1], -look[0]))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> TrainerControl:
        """Look if it is time; stop when patience has run out."""
        del args
        if state.global_step % self._settings.every and state.global_step < state.max_steps:
            return control
        self.looks.append((state.global_step, self._look()))
        if self.best == self.looks[-1]:
            self._best = {name: tensor.to("cpu", copy=True) for name, tensor in trained_weights(self._model).items()}
        elif sum(step > self.best[0] for step, _ in self.looks) >= self._settings.patience:
            control.should_training_stop = True
        return control

    def restore(self) -> None:
        """Give the model the weights that it had at its best."""
        load_weights(self._model, self._best)

    def remember(self) -> dict[str, object]:
        """Return the looks and the best weights."""
        return {"looks": list(self.looks), "best": dict(self._best)}

    def recall(self, state: dict[str, Any]) -> None:  # Any: as `remember` wrote it
        """Go back to earlier looks."""
        self.looks, self._best = state["looks"], state["best"]

    def _look(self) -> float:
        states, training = random_states(), self._model.training
        try:
            return self._measure()
        finally:
            set_random_states(states)
            self._model.train(training)
