"""Where a mirror is kept: in a database beside the results, or on a tracking server."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.errors import ConfigError

__all__ = ["ARTEFACTS", "DATABASE", "URI_VARIABLE", "Destination"]

DATABASE = "mlflow.db"
ARTEFACTS = "mlartifacts"
URI_VARIABLE = "WINNOW_TRACKING_URI"

_PROCESS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # As shipped, one call to a server that is down takes four minutes; whoever mirrors tries again by itself.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


@dataclass(frozen=True)
class Destination:
    """A store under `root` (`mlflow.db` and `mlartifacts`), or the tracking server at `uri`.

    Raises ConfigError for an address that is not http or https; what it may hold of a
    password is shown nowhere.
    """

    root: Path
    uri: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.uri:
            return
        try:
            parts = urlsplit(self.uri)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fits = False
        if not fits:
            raise ConfigError(
                f"the tracking server's address (--tracking-uri or {URI_VARIABLE}) must be "
                "http://HOST:PORT or https://HOST, perhaps with a path"
            )

    @property
    def address(self) -> str:
        """The server's address without credentials and query; empty for the local store."""
        if not self.uri:
            return ""
        parts = urlsplit(self.uri)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")

    @property
    def name(self) -> str:
        """What the place is called in messages, and in what is remembered of it."""
        return self.address or str(self.root / DATABASE)

    @property
    def label(self) -> str:
        """The same place's key among the positions; the local one may be moved with its results."""
        return self.address or DATABASE

    def prepare(self) -> None:
        """Set what MLflow reads from the environment; called in a process that does nothing but mirror.

        A user's own settings stand. Credentials go there too, so that no address in a
        message or log of MLflow has them.
        """
        for name, value in _PROCESS.items():
            os.environ.setdefault(name, value)
        if self.uri:
            parts = urlsplit(self.uri)
            if parts.username:
                os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username)
                os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")
