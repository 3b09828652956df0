import os
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.tracking import Destination


@pytest.mark.parametrize(
    "uri", ["localhost:5000", "ftp://me:hunter2@host", "http://", "http://me:hunter2@host:x", "postgresql://host/db"]
)
def test_what_is_no_address_of_a_server_is_refused_without_its_password(uri: str) -> None:
    with pytest.raises(ConfigError, match="must be http://HOST:PORT") as refused:
        Destination(Path("results"), uri)

    assert "hunter2" not in str(refused.value)


def test_an_address_is_shown_and_used_without_credentials_and_query(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "")
    destination = Destination(Path("results"), "https://me:hun%40ter@host:81/mlflow/?token=x")

    destination.prepare()

    assert destination.address == destination.name == destination.label == "https://host:81/mlflow"
    assert "hun" not in repr(destination)
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "me"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "hun@ter"  # noqa: S105 - made up


def test_the_local_store_keeps_its_position_when_results_move() -> None:
    assert Destination(Path("a")).label == Destination(Path("b")).label == "mlflow.db"


def test_our_client_gives_up_early_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")

    Destination(Path("results")).prepare()

    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
