"""A real tracking server that can be ended and started again on its port."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["Server"]


class Server:
    """A real tracking server that can be ended and started again on its port."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.address = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        store = [f"--backend-store-uri=sqlite:///{self._folder / 'm.db'}", f"--artifacts-destination={self._folder}/a"]
        network = ["--host=127.0.0.1", f"--port={self.port}", "--workers=1"]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *store, *network],
                env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                start_new_session=True,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 120
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)
        if number == signal.SIGKILL:
            self._process.wait()
