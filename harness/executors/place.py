"""Where runs are to be carried out, and what one of them may use; and the command's arguments that say so."""

import argparse
import math
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

from harness.errors import ConfigError

__all__ = ["Limits", "Place", "add_place", "device_groups", "devices", "place_of", "workers_of"]

_OWN = {
    "CPU": "a run takes a core for each of its threads",
    "GPU": "give --gpus-per-run",
    "memory": "a cluster's memory is watched by Ray's own monitor",
    "object_store_memory": "runs leave their results in files",
}
"""What Ray counts itself under these names, and why it is not to be asked for as a custom resource."""

_LEAST = 0.0001
"""The smallest part of a resource that Ray counts."""


@dataclass(frozen=True)
class Limits:
    """What one run may use; None is no limit. A run that passes one is ended, with the processes that it started.

    `seconds` of wall time; `memory` in bytes of resident memory, child processes included.
    `silence`: seconds without any sign of life, as of a process that was stopped or hangs.
    """

    seconds: float | None = None
    memory: int | None = None
    silence: float | None = 300.0


@dataclass(frozen=True)
class Place:
    """An executor: processes of this machine, or a Ray cluster at `address`, with `gpus_per_run` (may be a fraction).

    `resources` are (name, amount) of what else a run takes of a node, as its cluster names it.
    `retries` says how often Ray itself tries a run again whose node or worker died; by
    default it does not, since the sweep does. `processes` train a run together, each with a
    GPU of its own where there are any.
    """

    executor: Literal["local", "ray"] = "local"
    limits: Limits = Limits()
    address: str = "auto"
    gpus_per_run: float = 0.0
    retries: int = 0
    processes: int = 1
    resources: tuple[tuple[str, float], ...] = ()


def devices() -> tuple[str, ...]:
    """List the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; empty where there are none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name.strip() for name in visible.split(",") if name.strip() not in {"", "-1"})
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    query = [command, "--query-gpu=uuid", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True, check=False)  # noqa: S603  # a fixed command
    return tuple(found.stdout.split()) if found.returncode == 0 else ()


def device_groups(processes: int) -> tuple[str, ...]:
    """List the GPUs of each worker whose runs are trained by so many processes, as CUDA_VISIBLE_DEVICES names them.

    GPUs that make no full group are left idle. Empty without GPUs; raises ConfigError if
    there are some, but not enough for one group.
    """
    found = devices()
    if 0 < len(found) < processes:
        message = f"--processes-per-run {processes} needs as many GPUs, and {len(found)} can be used here"
        raise ConfigError(message)
    starts = range(0, len(found) - processes + 1, processes)
    return tuple(",".join(found[start : start + processes]) for start in starts)


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where runs are carried out."""
    parser.add_argument(
        "--workers", type=_count, metavar="N", help="runs at a time (default: one per GPU, else one per core)"
    )
    parser.add_argument("--limit-seconds", type=_amount, metavar="N", help="end a run after N seconds")
    parser.add_argument("--limit-memory", type=_amount, metavar="GIB", help="end a run that uses more memory")
    parser.add_argument("--executor", choices=("local", "ray"), default="local", help="this machine, or a Ray cluster")
    parser.add_argument("--address", default="auto", help="of the Ray cluster, or `local` to start one (default: auto)")
    parser.add_argument(
        "--processes-per-run",
        type=_count,
        default=1,
        metavar="N",
        help="train each run by N processes, with a GPU each where there are any (default: 1)",
    )
    parser.add_argument("--gpus-per-run", type=_share, default=0.0, metavar="N", help="on Ray; a fraction shares a GPU")
    parser.add_argument(
        "--resources-per-run",
        type=_resources,
        default=(),
        metavar="NAME=N[,NAME=N]",
        help="on Ray: what else of a node each run takes, as nodes were started with `--resources`",
    )


def place_of(options: argparse.Namespace) -> Place:
    """Return what the arguments of `add_place` say; raise ConfigError if they ask for what their executor has not."""
    if options.resources_per_run and options.executor != "ray":
        message = f"--resources-per-run is for --executor ray, got --executor {options.executor}"
        raise ConfigError(message)
    memory = None if options.limit_memory is None else int(options.limit_memory * 2**30)
    limits = Limits(seconds=options.limit_seconds, memory=memory)
    return Place(
        options.executor,
        limits,
        options.address,
        options.gpus_per_run,
        processes=options.processes_per_run,
        resources=options.resources_per_run,
    )


def workers_of(options: argparse.Namespace) -> int:
    """Return how many runs are carried out at a time."""
    processes = options.processes_per_run
    return options.workers or len(device_groups(processes)) or max(1, (os.cpu_count() or 1) // processes)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return number


def _amount(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf or (number > 1 and not number.is_integer()):
        raise argparse.ArgumentTypeError(f"must be a fraction of one GPU or a whole number, got {text}")
    return number


def _resources(text: str) -> tuple[tuple[str, float], ...]:
    """Read `name=amount,name=amount`."""
    found: dict[str, float] = {}
    for each in text.split(","):
        name, sign, amount = (part.strip() for part in each.rpartition("="))
        if not (name and sign and amount):
            raise argparse.ArgumentTypeError(f"must be NAME=AMOUNT[,NAME=AMOUNT], got {each.strip()!r}")
        if name in found:
            raise argparse.ArgumentTypeError(f"names {name} twice")
        if name in _OWN:
            raise argparse.ArgumentTypeError(f"cannot ask for {name}: {_OWN[name]}")
        found[name] = _resource(name, amount)
    return tuple(found.items())


def _resource(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not _LEAST <= number < math.inf or (number > 1 and not number.is_integer()):
        raise argparse.ArgumentTypeError(
            f"{name} must be a fraction of one, at least {_LEAST:g}, or a whole number, got {text}"
        )
    return number
