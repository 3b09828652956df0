"""An HTTP server that never answers, or answers 500."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Behaviour = Literal["hang", "500"]


@contextmanager
def flaky_server(behaviour: Behaviour) -> Iterator[tuple[str, list[str]]]:
    """Yield the server's address and the requests that it has had."""
    asked: list[str] = []
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(self.path)
            if behaviour == "hang":
                released.wait(30)
            self.send_error(500, "token=sesame-open-up")

        do_GET = answer  # noqa: N815 - as the library calls it
        do_POST = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            released.set()
            server.shutdown()
            thread.join()
