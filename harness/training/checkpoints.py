"""The checkpoints of one training on disk: whole or not there, verified before use, the newest few kept.

A checkpoint is a folder `step-<number>` of safetensors and JSON. `manifest.json` holds
the SHA-256 of each other file and is written last; what fails it is set aside, never loaded.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import cast

from harness.errors import storage_error
from harness.fingerprint import file_digest
from harness.store import sync, write_file
from harness.training.snapshot import join, part

__all__ = ["TRAINER_STATE", "Checkpoints", "maker"]

_LOG = logging.getLogger(__name__)
_MANIFEST = "manifest.json"
_STATE, _TENSORS = "state.json", "state.safetensors"
TRAINER_STATE = "trainer_state.json"
"""Where the trainer of transformers looks for steps and losses."""

_FILES = {_STATE, _TENSORS, TRAINER_STATE}
_KEPT = 2


_MAKERS = ("winnow", "torch", "transformers", "sentence-transformers")


def maker() -> str:
    """Name the versions on which the numbers of a continued training depend."""
    return " ".join(f"{name}-{version(name)}" for name in _MAKERS)


@dataclass(frozen=True)
class Checkpoints:
    """The folder of one run's checkpoints, and after how many minutes of training one is written.

    `maker` names the versions that wrote a checkpoint: another's is not continued, since
    its numbers may differ.
    """

    folder: Path
    minutes: float = 5.0
    maker: str = ""

    def write(self, step: int, state: object, trainer_state: str) -> Path:
        """Keep a state, whole or not at all, and drop all but the newest two; raise StorageError if it cannot be."""
        from safetensors.torch import save

        target = self.folder / f"step-{step:09}"
        plain, tensors = part(state)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(dir=self.folder, prefix=".draft-"))
            try:
                write_file(draft / _TENSORS, save(tensors))
                write_file(draft / _STATE, json.dumps(plain, allow_nan=False).encode())
                write_file(draft / TRAINER_STATE, trainer_state.encode())
                sums = {name: file_digest(draft / name) for name in sorted(_FILES)}
                write_file(draft / _MANIFEST, json.dumps({"maker": self.maker, "files": sums}, indent=1).encode())
                self._set_aside(target, "it is written anew")
                draft.rename(target)
                sync(self.folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
            for old in self._newest_first()[_KEPT:]:
                shutil.rmtree(old)
        except OSError as error:
            raise storage_error(error, target) from error
        return target

    def newest(self) -> Path | None:
        """Return the newest checkpoint that is intact, None if there is none; set those that are not aside."""
        for folder in self._newest_first():
            wrong = ", ".join(self._defects(folder))
            if not wrong:
                return folder
            self._set_aside(folder, wrong)
        return None

    def read(self, checkpoint: Path) -> object:
        """Return the state of a checkpoint that `newest` has returned."""
        from safetensors.torch import load_file

        plain = json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
        return join(plain, load_file(checkpoint / _TENSORS))

    def discard(self) -> None:
        """Delete all checkpoints: the run has its record."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"), reverse=True)

    def _defects(self, folder: Path) -> Iterator[str]:
        """Say what is wrong with a checkpoint; nothing but the manifest's own files is ever opened."""
        try:
            manifest = cast("dict[str, object]", json.loads((folder / _MANIFEST).read_text(encoding="utf-8")))
            maker, sums = manifest["maker"], cast("dict[str, str]", manifest["files"])
            found = {path.name for path in folder.iterdir()} - {_MANIFEST}
            if maker != self.maker:
                yield f"it was written by {maker}, this is {self.maker}"
            if found != _FILES or set(sums) != _FILES:
                yield f"it holds {', '.join(sorted(found ^ _FILES)) or 'other files'} against its manifest"
                return
            yield from (f"{name} is damaged" for name in sorted(_FILES) if file_digest(folder / name) != sums[name])
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            yield f"its manifest cannot be read ({type(error).__name__})"

    def _set_aside(self, folder: Path, why: str) -> None:
        if not folder.exists():
            return
        aside = Path(tempfile.mkdtemp(dir=self.folder, prefix=f"set-aside-{folder.name}-"))
        folder.rename(aside / folder.name)
        _LOG.warning("the checkpoint %s is not used: %s; set aside in %s", folder, why, aside)
