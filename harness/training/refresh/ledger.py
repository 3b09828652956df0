"""Account of what refreshes cost, and of how old the negatives were that were trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.measures import RefreshRecord

__all__ = ["Ledger"]


@dataclass
class Ledger:
    """Collects one entry per refresh."""

    step: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    compared: list[int] = field(default_factory=list)

    def enter(self, *, step: int, seconds: float, replaced: int, compared: int) -> None:
        """Note a refresh after `step` updates: of `compared` negatives, `replaced` were new to their pair."""
        self.step.append(step)
        self.seconds.append(round(seconds, 4))
        self.replaced.append(replaced)
        self.compared.append(compared)

    def record(self, mined_at: Sequence[int]) -> RefreshRecord:
        """Sum up a training; `mined_at` says for each step after how many updates its negatives were chosen."""
        chosen = np.array(mined_at, dtype=np.int64)
        staleness = np.arange(len(chosen)) - chosen
        first = {int(at): int(step) + 1 for at, step in zip(*np.unique(chosen, return_index=True), strict=True)}
        return RefreshRecord(
            step=tuple(self.step),
            first_used=tuple(first.get(step) for step in self.step),
            seconds=tuple(self.seconds),
            replaced=tuple(self.replaced),
            changed=tuple(
                round(new / all_, 6) if all_ else None for new, all_ in zip(self.replaced, self.compared, strict=True)
            ),
            staleness_mean=float(staleness.mean()) if staleness.size else 0.0,
            staleness_max=int(staleness.max(initial=0)),
        )
