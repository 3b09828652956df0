"""Where a copy of a search is kept for Optuna's own tools: a file beside the results, or a database server."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.errors import ConfigError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

__all__ = ["DATABASE", "LOCAL", "STORAGE_VARIABLE", "StudyStorage"]

DATABASE = "study.db"
LOCAL = "local"
STORAGE_VARIABLE = "WINNOW_STUDY_STORAGE"

_SCHEMES = ("sqlite", "postgresql", "mysql")
_PATIENCE = 10
"""Seconds to wait for a server that does not answer, or for a file that another has locked."""

_TIMEOUTS = {
    "pysqlite": "timeout",
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
}
"""What each driver calls that time; without it a server that is silent holds a caller for minutes."""


@dataclass(frozen=True)
class StudyStorage:
    """The database at `url`, or with `local` the file `study.db` in a sweep's results folder.

    Raises ConfigError for what is no address of SQLite, PostgreSQL or MySQL, and for one
    whose driver is not installed; what it may hold of a password is shown nowhere.
    """

    url: str = field(repr=False)

    def __post_init__(self) -> None:
        if self.url == LOCAL:
            return
        try:
            parts = urlsplit(self.url)
            fits = parts.scheme.partition("+")[0] in _SCHEMES and len(parts.path) > 1
        except ValueError:
            fits = False
        if not fits:
            raise ConfigError(
                f"the study storage (--study-storage or {STORAGE_VARIABLE}) must be '{LOCAL}', sqlite:///FILE, "
                "postgresql://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE"
            )
        self._require_driver()

    def _require_driver(self) -> None:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import SQLAlchemyError

        scheme = urlsplit(self.url).scheme
        try:
            make_url(self.url).get_dialect().import_dbapi()
        except ImportError as error:
            hint = ": pip install 'winnow[postgres]'" if scheme.startswith("postgresql") else ""
            raise ConfigError(f"the study storage {self.name} needs the package {error.name}{hint}") from error
        except (SQLAlchemyError, ValueError):  # whose own message would repeat the address
            raise ConfigError(f"the study storage cannot be read as the address of a database ({scheme})") from None

    @property
    def name(self) -> str:
        """The address without credentials and query, as messages show it."""
        if self.url == LOCAL:
            return DATABASE
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def open(self, results: Path) -> "RDBStorage":
        """Connect, and make the tables if they are missing; raise what the database raises."""
        import optuna
        from optuna.storages import RDBStorage
        from sqlalchemy.engine import make_url
        from sqlalchemy.pool import NullPool

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        url = f"sqlite:///{(results / DATABASE).resolve()}" if self.url == LOCAL else self.url
        timeout = _TIMEOUTS.get(make_url(url).get_dialect().driver)
        given = {} if timeout is None or timeout in make_url(url).query else {timeout: _PATIENCE}
        # A connection is closed after each use: none is kept over a restart of the server, or over hours of training.
        return RDBStorage(url, engine_kwargs={"connect_args": given, "poolclass": NullPool})
