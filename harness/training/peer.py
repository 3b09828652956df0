"""A further process of a training: embeds its share of each batch, and gives its gradients to the first process.

Started by `harness.training.crew` as `python -m harness.training.peer DESCRIPTOR`, where
the descriptor is that of its end of the pipe.
"""

import io
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, cast

import torch
import torch.distributed as dist

from harness.training.exchange import Start, Step, hand_out_weights, hear, join, sum_gradients, tell
from harness.training.share import Share

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["serve"]


def serve(pipe: Connection) -> None:
    """Help with one training after another until the other end closes the pipe."""
    try:
        while True:
            _help(pipe, cast("Start", hear(pipe)))
            torch.cuda.empty_cache()  # does nothing without a GPU
    except (EOFError, BrokenPipeError):
        return
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _help(pipe: Connection, start: Start) -> None:
    """Do the steps of one training."""
    torch.set_num_threads(start.threads)
    # It comes from the process that has started this one, by a pipe that nobody else has.
    model: SentenceTransformer = torch.load(io.BytesIO(start.model), map_location=start.device, weights_only=False)
    model.train()
    tell(pipe, "ready")
    join(start.meeting, start.rank, start.count, start.device)
    tell(pipe, "joined")
    while (step := cast("Step | None", hear(pipe))) is not None:
        _step(pipe, model, step)
    dist.destroy_process_group()


def _step(pipe: Connection, model: "SentenceTransformer", step: Step) -> None:
    device = model.device
    hand_out_weights(model)
    model.zero_grad(set_to_none=True)
    torch.manual_seed(step.seed)
    columns = [{key: _on(value, device) for key, value in column.items()} for column in step.columns]
    try:
        if columns:
            _embed(pipe, Share(model, columns, step.micro_batch), device)
    except torch.OutOfMemoryError as error:
        tell(pipe, error)
        return
    tell(pipe, "done")
    sum_gradients(model)


def _on(value: torch.Tensor, device: torch.device) -> torch.Tensor:
    return value.to(device) if isinstance(value, torch.Tensor) else value


def _embed(pipe: Connection, share: Share, device: torch.device) -> None:
    # On a GPU the trainer of the first process has the model compute so too.
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        vectors = share.embed()
        tell(pipe, tuple(vectors.shape))
        dist.send(vectors.contiguous(), dst=0)
        gradients = torch.empty_like(vectors)
        dist.recv(gradients, src=0)
        share.backward(gradients)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
