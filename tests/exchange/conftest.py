from pathlib import Path

import pytest

from harness.exchange.bundle import bundle
from tests.exchange.exchanged import Ranked


@pytest.fixture(scope="session")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Ranked().write(tmp_path_factory.mktemp("ranked"))


@pytest.fixture(scope="session")
def bundled(ranked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(ranked, tmp_path_factory.mktemp("bundles") / "ranked.zip").path
