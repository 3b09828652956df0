"""The further processes of a training, as the first sees them: it alone decides, they embed and differentiate.

The batch that the loss sees stays whole. Each process embeds its share of it, the first
computes the loss and hands every process the gradients of its share's embeddings, and
adds up the gradients of the weights that come back. All else of a training, from the
order of pairs to the optimiser, happens in the first process as if it were alone.
"""

import io
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import torch
import torch.distributed as dist

from harness.errors import ConfigError, WorkerDiedError
from harness.ranks import Ranks
from harness.training.crew import Crew, keep, take
from harness.training.exchange import PATIENCE, Start, Step, hand_out_weights, hear, join, sum_gradients, tell
from harness.training.share import Features, Share, bounds, cut

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["Peers"]

_GRACE = 5.0
"""Seconds that a process which has closed its connections may take to end."""


class Peers:
    """The processes that help to train `model` inside the `with` block; unharmed, they then wait for the next.

    Raises WorkerDiedError as soon as one of them is gone or gives no answer, ConfigError
    if there are not GPUs enough.
    """

    def __init__(self, model: "SentenceTransformer", ranks: Ranks) -> None:
        self._model = model
        self._ranks = ranks
        self._crew: Crew | None = None

    @property
    def _pipes(self) -> list[Connection]:
        return [] if self._crew is None else self._crew.pipes

    def __enter__(self) -> Self:
        """Wait until they have the model."""
        device, ranks = self._model.device.type, self._ranks
        if device == "cuda" and len(ranks.devices) != ranks.count - 1:
            message = f"{ranks.count} processes of a training need as many GPUs, there are {1 + len(ranks.devices)}"
            raise ConfigError(message)
        buffer = io.BytesIO()
        torch.save(self._model, buffer)
        self._crew = take(ranks)
        try:
            with tempfile.TemporaryDirectory(prefix="winnow-ranks-") as folder, self._together():
                meeting = str(Path(folder) / "meeting")
                for rank, pipe in enumerate(self._pipes, start=1):
                    threads = torch.get_num_threads()
                    tell(pipe, Start(buffer.getvalue(), device, meeting, rank, ranks.count, threads))
                self._hear_all()
                join(meeting, 0, ranks.count, device)
                self._hear_all()  # until then they need the file
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Let them go: to wait if all went well, else to end, whatever they are at."""
        if dist.is_initialized():
            dist.destroy_process_group()
        crew, self._crew = self._crew, None
        if crew is None:
            return
        if error[:1] == (None,) and _released(crew):
            keep(crew)
        else:
            crew.end()

    def loss(
        self,
        columns: Sequence[Features],
        micro_batch: int | None,
        value_of: "Callable[[list[torch.Tensor]], torch.Tensor]",
    ) -> torch.Tensor:
        """Return the loss of a batch, to be differentiated once.

        `value_of` computes it from the embeddings of all columns, each of shape (b, d).
        """
        size = len(columns[0].get("offsets", columns[0]["input_ids"]))
        own, *others = [
            tuple(cut(column, *part) for column in columns) if part[0] < part[1] else ()
            for part in bounds(size, self._ranks.count)
        ]
        share = Share(self._model, own, micro_batch)
        vectors = self._embedded(share, others, micro_batch).requires_grad_()
        with torch.enable_grad():
            value = value_of(list(vectors))
        value.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
        assert vectors.grad is not None  # noqa: S101  # the loss is of them
        gradients = vectors.grad
        value = value.detach().requires_grad_()
        value.register_hook(lambda scale: self._backward(share, gradients * scale))  # type: ignore[no-untyped-call]
        return value

    def _embedded(self, share: Share, others: Sequence[tuple[Features, ...]], micro_batch: int | None) -> torch.Tensor:
        """Have every process embed its share, and put them together. Shape (columns, b, d)."""
        with self._together():
            for pipe, columns in zip(self._pipes, others, strict=True):
                sent = tuple({key: _on_cpu(value) for key, value in column.items()} for column in columns)
                tell(pipe, Step(sent, micro_batch, int(torch.randint(2**62, ()))))
            hand_out_weights(self._model)
            parts = [share.embed()]
            for rank, (pipe, columns) in enumerate(zip(self._pipes, others, strict=True), start=1):
                if columns:
                    part = parts[0].new_empty(cast("tuple[int, ...]", self._heard(pipe)))
                    dist.recv(part, src=rank)
                    parts.append(part)
        return torch.cat(parts, dim=1)

    def _backward(self, share: Share, gradients: torch.Tensor) -> None:
        """Have every process differentiate its share, and add all gradients up in this one's parameters."""
        own, *others = [
            gradients[:, begin:end] for begin, end in bounds(gradients.shape[1], self._ranks.count) if begin < end
        ]
        with self._together():
            for rank, part in enumerate(others, start=1):
                dist.send(part.contiguous(), dst=rank)
            share.backward(own)
            self._hear_all()
            sum_gradients(self._model)

    def _hear_all(self) -> None:
        for pipe in self._pipes:
            self._heard(pipe)

    def _heard(self, pipe: Connection) -> object:
        """Return a peer's next message; raise its error if it ran out of memory."""
        if not pipe.poll(PATIENCE):
            rank = self._pipes.index(pipe) + 1
            reason = f"process {rank} of the training's {self._ranks.count} gave no answer for {PATIENCE:g} s"
            raise WorkerDiedError(reason)
        message = hear(pipe)
        if isinstance(message, torch.OutOfMemoryError):
            raise message
        return message

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Tell the end of a peer from every other failure of what is done inside."""
        try:
            yield
        except (EOFError, OSError, RuntimeError) as error:
            ended = None if isinstance(error, torch.OutOfMemoryError) else self._ended()
            if ended is None and isinstance(error, EOFError):
                ended = "a process of the training closed its connection"
            if ended is None:
                raise
            raise WorkerDiedError(ended) from error

    def _ended(self) -> str | None:
        """Say which process has ended, and how; its connections may have gone before it."""
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline:
            for rank, process in enumerate(self._crew.processes if self._crew else (), start=1):
                if process.poll() is not None:
                    return f"process {rank} of the training's {self._ranks.count} ended with code {process.returncode}"
            time.sleep(0.05)
        return None


def _released(crew: Crew) -> bool:
    """Tell every process that the training is over; return False if one has ended."""
    try:
        for pipe in crew.pipes:
            tell(pipe, None)
    except OSError:
        return False
    return crew.whole


def _on_cpu(value: torch.Tensor) -> torch.Tensor:
    return value.cpu() if isinstance(value, torch.Tensor) else value
