from pathlib import Path

import pytest
from inline import ONE_RUN, carried_out

from sweeps import left, until_done


@pytest.fixture(scope="session")
def undisturbed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert until_done(folder) == [0], (folder / "output").read_text()
    return folder


@pytest.fixture(scope="session")
def undisturbed(undisturbed_folder: Path) -> dict[str, bytes]:
    return left(undisturbed_folder)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert carried_out(folder, monkeypatch, minutes=5, **ONE_RUN).failed == 0
    return folder
