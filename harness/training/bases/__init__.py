"""Bases: the models that are fine-tuned, one file per family."""

from harness.training.bases.base import Base, device
from harness.training.bases.encoder import Encoder
from harness.training.bases.minilm import MiniLM3L, MiniLMBase
from harness.training.bases.static import Static

__all__ = ["Base", "Encoder", "MiniLM3L", "MiniLMBase", "Static", "device"]
