"""The processes that carry out one training together."""

import os
from dataclasses import dataclass

__all__ = ["ALONE", "Ranks", "ranks_of_visible"]


@dataclass(frozen=True)
class Ranks:
    """How many processes train one model, the calling one included; `devices` names the GPUs of the others."""

    count: int = 1
    devices: tuple[str, ...] = ()


ALONE = Ranks()


def ranks_of_visible(count: int) -> Ranks:
    """Keep the first visible GPU for this process, and name the others for its peers.

    To be called before CUDA is set up: a process that saw several GPUs would be taken by
    the trainer for one that trains on all of them. With a `count` of 1 nothing changes.
    """
    if count == 1:
        return ALONE
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    if visible:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[0]
    return Ranks(count, tuple(visible[1:count]))
