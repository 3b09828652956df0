from pathlib import Path

import pytest

from tests.training.toy import random_encoder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_encoder(tmp_path_factory.mktemp("models") / "with-dropout")


@pytest.fixture(scope="session")
def plain_encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_encoder(tmp_path_factory.mktemp("models") / "without-dropout", dropout=0.0)
