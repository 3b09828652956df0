"""Names for strategies."""

from typing import Annotated

import pytest
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.errors import ConfigError
from harness.registry import Registry
from harness.spec import STRICT


@pytest.fixture
def registry() -> Registry:
    registry = Registry("miner", "harness.none")
    registry._loaded = True

    @registry.register("topk_percpos", paper="arXiv:2407.15831")
    @dataclass(config=STRICT, kw_only=True)
    class PercPos:
        """Keep what scores below a share.

        More words.
        """

        share: Annotated[float, Interval(ge=0.5, le=1.0)] = 0.95
        k: Annotated[int, Interval(ge=1, le=64)] = 4

    return registry


def test_create_builds_with_the_given_parameters(registry: Registry) -> None:
    built = registry.create("topk_percpos", {"share": 0.8})

    assert built == registry["topk_percpos"].factory(share=0.8, k=4)


def test_create_lists_every_mistake(registry: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.create("topk_percpos", {"share": 1.5, "k": 0, "shar": 3})

    assert str(caught.value).splitlines() == [
        "miner 'topk_percpos': share must be in [0.5, 1.0], got 1.5",
        "miner 'topk_percpos': k must be in [1, 64], got 0",
        "miner 'topk_percpos': shar is an unknown parameter; did you mean 'share'? (allowed: share, k)",
    ]


def test_an_unknown_name_is_answered_with_the_nearest(registry: Registry) -> None:
    with pytest.raises(ConfigError, match=r"unknown miner 'percpos'; did you mean 'topk_percpos'\?"):
        registry["percpos"]


def test_a_taken_name_is_refused(registry: Registry) -> None:
    with pytest.raises(ValueError, match=r"miner 'topk_percpos' is already registered by .*PercPos"):
        registry.register("topk_percpos")(int)


def test_an_entry_knows_its_paper_and_its_first_line(registry: Registry) -> None:
    (entry,) = registry

    assert (entry.name, entry.paper) == ("topk_percpos", "arXiv:2407.15831")
    assert entry.summary == "Keep what scores below a share."
    assert "topk_percpos" in registry
    assert registry.names() == ["topk_percpos"]
