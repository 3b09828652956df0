"""Where a model comes from: a local folder, or the hub at a pinned revision."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import ConfigError, ModelError
from harness.fingerprint import folder_digest
from harness.teachers.own_code import check_trust

__all__ = ["check_source", "model_errors", "source_digest"]


def check_source(path: str, model: str, revision: str, *, trust: bool = False) -> None:
    """Ask for exactly one of `path` and `model`, and for a pinned revision of the latter; else raise ConfigError.

    With `trust`, also for what pins the code of the model.
    """
    if bool(path) == bool(model):
        message = "give either `path` (a local folder) or `model` (a hub id)"
        raise ConfigError(message)
    if model and not revision:
        message = f"`revision` must pin the commit of {model}: a branch can move under a finished run"
        raise ConfigError(message)
    if trust:
        check_trust(path, model, revision)


def source_digest(path: str, model: str, revision: str, *, trust: bool = False) -> str:
    """Return a digest of the folder's files, or hub id and revision; raise ModelError if the folder is absent.

    Files of code are among them. With `trust` it is another one: the code may give other numbers.
    """
    if path and not Path(path).is_dir():
        message = f"the model folder {path} does not exist"
        raise ModelError(message)
    content = folder_digest(Path(path)) if path else f"{model}@{revision}"
    return f"{content} with its code" if trust else content


@contextmanager
def model_errors(kind: str, name: str, revision: str) -> Iterator[None]:
    """Turn whatever loading a model raises into a ModelError that says why in one line."""
    try:
        yield
    except Exception as error:  # a torn or made-up file of a model makes the libraries raise anything
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        where = f"{name} at {revision}" if revision else name
        message = f"cannot load the {kind} {where}: {reason}"
        raise ModelError(message) from error
