"""Code that comes with a model: run only where a sweep says so, and only if the model's identity covers it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from harness.errors import ConfigError, ModelError
from harness.spec.base import unset

__all__ = ["TrustRemoteCode", "check_trust", "code_settings", "uncovered_code"]

TrustRemoteCode = Annotated[bool, Field(exclude_if=unset)]
"""Whether code that comes with the model is run; where it is not, no part of any digest."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_IN_FOLDER = re.compile(r"((?:[\w-]+/)*[\w-]+)\.\w+", re.ASCII)
"""A class in a file of the model's own folder: `modeling.Encoder`, `code/modeling.Encoder`."""

_LIBRARY = "sentence_transformers."
_NAMING = {("modules.json", "type"), ("router_config.json", "types"), ("config.json", "types")}
"""Where sentence-transformers reads names of classes: file and key. transformers reads `auto_map`, in any file."""

_ELSEWHERE = ("base_model_name_or_path", "code_revision", "tokenizer_name_or_path")
"""Settings in a model's files that lead to code at another place or commit."""


def check_trust(path: str, model: str, revision: str) -> None:
    """Ask for what pins a model's code: a folder that holds all of it, or a full commit; else raise ConfigError.

    A folder that is not there is not looked into.
    """
    reason = ""
    if model and not _COMMIT.fullmatch(revision):
        reason = f"needs as `revision` the full commit of {model}, 40 hexadecimal digits, got {revision!r}"
    elif model and Path(model).is_dir():
        reason = f"cannot tell the hub's {model} from the folder of that name here; give the folder as `path`"
    elif path and Path(path).is_dir():
        reason = uncovered_code(Path(path))
    if reason:
        message = f"`trust_remote_code` {reason}"
        raise ConfigError(message)


def code_settings(name: str, revision: str, *, trust: bool) -> dict[str, Any]:
    """Return what to tell sentence-transformers about the code of a model: a folder, or a hub id at a commit.

    With `trust` the files that name code are read first, those of a hub model at that
    commit. Raises ModelError if they name code that is not the model's own.
    """
    if not trust:
        return {"trust_remote_code": False}
    if reason := uncovered_code(_files(name, revision) if revision else Path(name)):
        message = f"`trust_remote_code` {reason}"
        raise ModelError(message)
    settings: dict[str, Any] = {"trust_remote_code": True}
    if revision:  # a dict each: the library takes entries out
        settings |= {kind: {"code_revision": revision} for kind in ("model_kwargs", "config_kwargs")}
    return settings


def _files(model: str, revision: str) -> Path:
    """Return a folder with a hub model's settings and code at a commit."""
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model, revision=revision, allow_patterns=["*.json", "*.py"]))


def uncovered_code(folder: Path) -> str:
    """Say which code a model's files ask for that is not among them; nothing if all of it is.

    What is not among them is in no digest of the folder and at no pinned commit: code of
    another repository, of an installed package, behind a link to a folder. What the
    model's code does once it runs is not known.
    """
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder).as_posix()
        if path.is_symlink() and path.is_dir():
            return f"covers no links to folders, as {place} is one"
        if path.suffix == ".json" and path.is_file():
            try:
                content: object = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError):
                return f"cannot tell what code {place} asks for: it is no JSON"
            if reason := next(_uncovered(content, path.name, folder), ""):
                return f"{reason}; so says {place}"
    return ""


def _uncovered(content: object, file: str, folder: Path) -> Iterator[str]:
    for key, value in _entries(content):
        if key in _ELSEWHERE and value:
            yield f"covers the model's own files at one commit, and {key} {value!r} leads elsewhere"
        if key == "auto_map" or (file, key) in _NAMING:
            for name in _names(value):
                found = _IN_FOLDER.fullmatch(name)
                own = found is not None and (folder / f"{found[1]}.py").is_file()
                if not own and not (name.startswith(_LIBRARY) and key != "auto_map"):
                    yield (
                        f"covers files of the model alone, and {name!r} is none; "
                        "copy that code into a local folder of the model and name it there as file.Class"
                    )


def _entries(content: object) -> Iterator[tuple[str, object]]:
    """Yield every key with its value, at any depth."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield key, value
            yield from _entries(value)
    elif isinstance(content, list):
        for item in content:
            yield from _entries(item)


def _names(value: object) -> Iterator[str]:
    """Yield the names of classes below a value: a text, or a list or mapping of such; a tokenizer has two or null."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _names(item)
