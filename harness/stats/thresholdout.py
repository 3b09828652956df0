"""A guard in front of a set of queries that many choices are made by (Dwork et al. 2015, arXiv:1506.02629).

The queries are halved. One half may be looked at freely; the other answers only through
the guard, and only where the halves disagree, with noise and at the cost of a budget.
What is chosen by the answers therefore says more of new queries than the best of many
looks at one set.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from harness.errors import ConfigError, NumericError

__all__ = ["Answer", "Thresholdout"]

Side = Literal["free", "guarded"]


@dataclass(frozen=True)
class Answer:
    """One entry of a guard's log: the free half's value, what was answered, by which half, and the budget left.

    An answer of the guarded half is noisy; its own value is kept nowhere.
    """

    free: float
    value: float
    side: Side
    budget: int


class Thresholdout:
    """Answers what a metric's mean is, from the free half unless the guarded one contradicts it.

    The halves contradict each other where they differ by more than a noisy `threshold`:
    Laplace noise of scale 2 `scale` is added once and kept until an answer has come from
    the guarded half, and Laplace noise of scale 4 `scale` for every question. Then the
    guarded value is answered with Laplace noise of `scale`, and the budget falls by one.
    Values are in the units of the metric; a scale of 0 makes it exact. The same seed and
    questions give the same answers.
    """

    def __init__(self, *, threshold: float, scale: float, budget: int, seed: int) -> None:
        if threshold < 0.0 or scale < 0.0 or budget < 0:
            message = f"threshold, scale and budget must be at least 0, got {threshold}, {scale}, {budget}"
            raise ConfigError(message)
        self._threshold = threshold
        self._scale = scale
        self._budget = budget
        self._rng = np.random.default_rng(seed)
        self._log: list[Answer] = []
        self._noisy = self._redrawn()

    @property
    def budget(self) -> int:
        """How many more answers the guarded half gives."""
        return self._budget

    @property
    def log(self) -> tuple[Answer, ...]:
        """All answers so far, oldest first."""
        return tuple(self._log)

    def ask(self, free: float, guarded: float) -> float:
        """Answer what the mean is, given that of the free and of the guarded half.

        Raises ConfigError once the budget is used up, NumericError for a value that is not finite.
        """
        if self._budget < 1:
            message = f"the guard's budget is used up after {len(self._log)} questions: ask for a larger one beforehand"
            raise ConfigError(message)
        if not np.isfinite([free, guarded]).all():
            message = f"the guard needs finite values, got {free} on the free half and another on the guarded one"
            raise NumericError(message)
        side: Side = "free"
        value = free
        if abs(free - guarded) > self._noisy + self._laplace(4.0):
            side = "guarded"
            value = guarded + self._laplace(1.0)
            self._budget -= 1
            self._noisy = self._redrawn()
        self._log.append(Answer(free, value, side, self._budget))
        return value

    def _laplace(self, scales: float) -> float:
        return float(self._rng.laplace(0.0, scales * self._scale))

    def _redrawn(self) -> float:
        return self._threshold + self._laplace(2.0)

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on from here, as JSON holds it."""
        return {
            "threshold": self._threshold,
            "scale": self._scale,
            "budget": self._budget,
            "noisy_threshold": self._noisy,
            "generator": self._rng.bit_generator.state,
            "log": [asdict(answer) for answer in self._log],
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Thresholdout":
        """Return the guard that `state` was taken of; what is asked next is answered alike.

        Raises ConfigError if something is missing or of the wrong kind.
        """
        try:
            guard = cls(threshold=state["threshold"], scale=state["scale"], budget=state["budget"], seed=0)
            guard._noisy = float(state["noisy_threshold"])
            guard._rng.bit_generator.state = state["generator"]
            guard._log = [Answer(**entry) for entry in state["log"]]
        except (KeyError, TypeError, ValueError) as error:
            message = f"this is not the state of a guard: {error!r}"
            raise ConfigError(message) from error
        return guard
