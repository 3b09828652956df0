"""A PostgreSQL server of one's own, where its programs are installed."""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

USER = "winnow"
PASSWORD = "correct/horse"  # noqa: S105 - of a server that lives as long as a test
QUOTED = "correct%2Fhorse"


def programs() -> Path | None:
    """Return the folder of the newest PostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


def why_not() -> str:
    """Say why there can be no server here; empty if there can be one."""
    if programs() is None:
        return "PostgreSQL is not installed under /usr/lib/postgresql"
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed"
    if os.geteuid() == 0 and "postgres" not in {user.pw_name for user in pwd.getpwall()}:
        return "PostgreSQL does not run as root, and there is no user postgres"
    return ""


class PostgresServer:
    """A server in a temporary folder, on a free port of the loopback, that asks for a password."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None
        self._programs = found
        self._folder = Path(tempfile.mkdtemp(prefix="winnow-postgres-"))
        self._as = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(self._folder, "postgres", "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        word = self._folder / "password"
        word.write_text(PASSWORD)
        word.chmod(0o644)
        self._do("initdb", "--no-sync", "--auth=scram-sha-256", f"--username={USER}", f"--pwfile={word}")

    def url(self, database: str = "postgres") -> str:
        """Return an address with the password in it."""
        return f"postgresql://{USER}:{QUOTED}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make a database and return its address."""
        environment = os.environ | {"PGPASSWORD": PASSWORD}
        place = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER]
        subprocess.run([self._programs / "createdb", *place, database], env=environment, check=True)
        return self.url(database)

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self._folder} -c fsync=off"
        self._do("pg_ctl", "start", "--wait", f"--log={self._folder / 'log'}", f"--options={options}")

    def stop(self, mode: Literal["immediate", "fast"] = "immediate") -> None:
        """Stop it; `immediate` is what a power cut does."""
        self._do("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def remove(self) -> None:
        subprocess.run(
            [self._programs / "pg_ctl", "stop", f"--pgdata={self._folder / 'data'}", "--mode=immediate"],
            **self._as,
            check=False,
            capture_output=True,
        )
        shutil.rmtree(self._folder)

    def _do(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, f"--pgdata={self._folder / 'data'}", *arguments]
        subprocess.run(command, **self._as, check=True, stdout=subprocess.DEVNULL)
