"""What the processes of one training send each other: messages by pipes, tensors by torch.distributed."""

import pickle
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from harness.training.share import Features
from harness.training.weights import trained_weights

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["PATIENCE", "Start", "Step", "hand_out_weights", "hear", "join", "sum_gradients", "tell"]

PATIENCE = 300.0
"""Seconds that a process waits for another that is at work; then it gives up."""


@dataclass(frozen=True)
class Start:
    """What a peer is told once: the model as `torch.save` writes it, and its place among the processes."""

    model: bytes
    device: str
    meeting: str
    """A file that does not exist, through which the processes find each other."""
    rank: int
    count: int
    threads: int


@dataclass(frozen=True)
class Step:
    """What a peer is told of a step: the columns of its share, none if there are fewer pairs than processes.

    `seed` is for its dropout; drawn from the first process's generator, it is the same
    when a training goes on from a checkpoint.
    """

    columns: tuple[Features, ...]
    micro_batch: int | None
    seed: int


def tell(pipe: Connection, message: object) -> None:
    """Send a message; tensors are copied, where multiprocessing would share their memory."""
    pipe.send_bytes(pickle.dumps(message))


def hear(pipe: Connection) -> object:
    """Return the next message of a process of the same training; raise EOFError if it has ended."""
    message: object = pickle.loads(pipe.recv_bytes())  # noqa: S301  # a pipe that only the two have
    return message


def join(meeting: str, rank: int, count: int, device: str) -> None:
    """Meet the other processes of the training."""
    dist.init_process_group(
        "nccl" if device == "cuda" else "gloo",
        store=dist.FileStore(meeting, count),  # type: ignore[attr-defined]  # torch leaves it out of its `__all__`
        rank=rank,
        world_size=count,
        timeout=timedelta(seconds=PATIENCE),
    )


def hand_out_weights(model: "SentenceTransformer") -> None:
    """Give every process the weights of the first."""
    for tensor in trained_weights(model).values():
        dist.broadcast(tensor, src=0)


def sum_gradients(model: "SentenceTransformer") -> None:
    """Add up the gradients of all processes in the first; one that has none there stays none."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            dist.reduce(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad, dst=0)
