"""The weights that a training changes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.errors import StorageError

if TYPE_CHECKING:
    import torch

__all__ = ["load_weights", "trained_weights"]


def trained_weights(model: "torch.nn.Module") -> "dict[str, torch.Tensor]":
    """Return parameters that get gradients, and buffers, by name: all that a training can change."""
    frozen = _frozen(model)
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


def load_weights(model: "torch.nn.Module", weights: "Mapping[str, torch.Tensor]") -> None:
    """Put back what `trained_weights` has returned; raise StorageError if they are another model's."""
    try:
        missing, unexpected = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        message = f"the weights are not this model's: {str(error).splitlines()[-1].strip()}"
        raise StorageError(message) from error
    strangers = [*unexpected, *(set(missing) - _frozen(model))]
    if strangers:
        message = f"the weights are not this model's: they differ in {', '.join(sorted(strangers)[:3])}"
        raise StorageError(message)


def _frozen(model: "torch.nn.Module") -> set[str]:
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
