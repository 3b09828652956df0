"""Any text encoder as a base, trained in full or through a low-rank adapter."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.errors import ConfigError, ModelError
from harness.fingerprint import digest
from harness.registry import BASES
from harness.spec import STRICT
from harness.teachers.dense import Dtype, load_encoder
from harness.teachers.model_source import check_source, model_errors, source_digest
from harness.teachers.own_code import TrustRemoteCode
from harness.training.bases.base import device

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["Encoder", "Pooling"]

Pooling = Literal["own", "mean", "cls", "max", "lasttoken"]
"""How token vectors become one: as the model's own files say (mean if they do not), or one of the rest."""

_ADAPTER_SEED = 0
"""The adapter starts from the same random matrix in every run, as pretrained weights do."""


@BASES.register("encoder", paper="Reimers & Gurevych 2019, arXiv:1908.10084; LoRA: Hu et al. 2021, arXiv:2106.09685")
@dataclass(kw_only=True, config=STRICT)
class Encoder:
    """Any sentence-transformers or transformers encoder: a local `path`, or a hub `model` at a `revision`.

    The prompts are put before every query and document, in training and evaluation;
    those in the model's own files are not used. With a `lora_rank` the weights stay as
    they are and a low-rank adapter is trained, on the linear layers whose names end in
    one of `lora_targets`, by default those that peft knows for the architecture. It
    needs the extra `lora`.
    """

    path: str = ""
    model: str = ""
    revision: str = ""
    pooling: Pooling = "own"
    query_prompt: str = ""
    document_prompt: str = ""
    dtype: Dtype = "float32"
    trust_remote_code: TrustRemoteCode = False
    lora_rank: Annotated[int, Interval(ge=0, le=1024)] = 0
    lora_alpha: Annotated[int, Interval(ge=1, le=4096)] = 16
    lora_dropout: Annotated[float, Interval(ge=0.0, lt=1.0)] = 0.0
    lora_targets: tuple[str, ...] = ()
    seconds_per_pair = 0.3

    def __post_init__(self) -> None:
        """Ask for exactly one of `path` and `model`, what pins it, and peft for an adapter."""
        check_source(self.path, self.model, self.revision, trust=self.trust_remote_code)
        if self.lora_targets and not self.lora_rank:
            message = "`lora_targets` has no effect without a `lora_rank`"
            raise ConfigError(message)
        if self.lora_rank and find_spec("peft") is None:
            message = "`lora_rank` needs the package peft: pip install 'winnow[lora]'"
            raise ConfigError(message)

    def identity(self) -> str:
        """Return a digest of the folder's files, or of hub id and revision, with all settings."""
        content = source_digest(self.path, self.model, self.revision, trust=self.trust_remote_code)
        settings = [self.pooling, self.query_prompt, self.document_prompt, self.dtype]
        adapter = [self.lora_rank, self.lora_alpha, self.lora_dropout, list(self.lora_targets)]
        return digest(["encoder", content, settings, adapter if self.lora_rank else None])

    def load(self, *, max_length: int, texts: Iterable[str]) -> "SentenceTransformer":
        """Return a fresh copy; raise ModelError that says why it cannot be had."""
        del texts
        model = load_encoder(
            self.path or self.model,
            max_length=max_length,
            revision=self.revision,
            dtype=self.dtype,
            trust=self.trust_remote_code,
        )
        if self.pooling != "own":
            self._pool(model)
        model.prompts = {"query": self.query_prompt, "document": self.document_prompt}
        model.default_prompt_name = None
        if self.lora_rank:
            self._adapt(model)
        return model.to(device())

    def _pool(self, model: "SentenceTransformer") -> None:
        from sentence_transformers.sentence_transformer.modules import Pooling as PoolingModule

        place = [name for name, module in model.named_children() if isinstance(module, PoolingModule)]
        if len(place) != 1:
            message = f"pooling must be own for {self.path or self.model}: the model does not pool token vectors"
            raise ModelError(message)
        pooled = model.get_submodule(place[0])
        assert isinstance(pooled, PoolingModule)  # noqa: S101  # it was chosen so
        model.add_module(place[0], PoolingModule(pooled.get_embedding_dimension(), pooling_mode=self.pooling))

    def _adapt(self, model: "SentenceTransformer") -> None:
        import torch
        from peft import LoraConfig, TaskType

        adapter = LoraConfig(
            task_type=TaskType.FEATURE_EXTRACTION,
            r=self.lora_rank,
            lora_alpha=self.lora_alpha,
            lora_dropout=self.lora_dropout,
            target_modules=list(self.lora_targets) or None,
        )
        with model_errors("adapter of", self.path or self.model, self.revision), torch.random.fork_rng():
            torch.manual_seed(_ADAPTER_SEED)
            model.add_adapter(adapter)
