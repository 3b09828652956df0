"""The packaged all-MiniLM-L6-v2 as a base, whole or cut short."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, cast

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.fingerprint import digest
from harness.registry import BASES
from harness.spec import STRICT
from harness.teachers.dense import load_encoder
from harness.teachers.minilm import MINILM_SHA256, minilm_folder
from harness.training.bases.base import device

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

__all__ = ["MiniLM3L", "MiniLMBase"]


class _MiniLM:
    layers: int

    def identity(self) -> str:
        """Return a digest of the weights and of how many layers are kept."""
        return digest(["minilm", MINILM_SHA256, self.layers])

    def load(self, *, max_length: int, texts: Iterable[str]) -> "SentenceTransformer":
        """Return a fresh copy of the first `layers` layers."""
        del texts
        model = load_encoder(str(minilm_folder()), max_length=max_length)
        layers = cast("torch.nn.ModuleList", model.get_submodule("0.auto_model.encoder.layer"))
        del layers[self.layers :]
        return model.to(device())


@BASES.register("minilm_3l", paper="Wang et al. 2020, arXiv:2002.10957")
@dataclass(kw_only=True, config=STRICT)
class MiniLM3L(_MiniLM):
    """The first layers of all-MiniLM-L6-v2: a small transformer for slower CPU runs."""

    layers: Annotated[int, Interval(ge=1, le=6)] = 3
    seconds_per_pair = 0.15


@BASES.register("minilm", paper="Wang et al. 2020, arXiv:2002.10957")
@dataclass(kw_only=True, config=STRICT)
class MiniLMBase(_MiniLM):
    """All six layers of all-MiniLM-L6-v2."""

    layers = 6
    seconds_per_pair = 0.3
