"""Where alerts arrive in tests: an HTTP server (webhook, Slack) and an SMTP server, on loopback."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from labelaudit_airflow.local import free_port


@contextmanager
def http_receiver(
    status: int = 200, failing: float = 0.0, headers: list[dict[str, str]] | None = None
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Gives its port, and the JSON bodies that were taken.

    headers: where theirs are put.
    failing: share of the requests that are not: answered with 500, or cut off before they are read, by turns of a seed.
    """
    received: list[dict[str, Any]] = []
    dice = random.Random(7)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if dice.random() < failing:
                if dice.random() < 0.5:
                    self.connection.close()
                    return
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(500)
                self.end_headers()
                return
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(json.loads(body))
            if headers is not None:
                headers.append(dict(self.headers))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, received
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def smtp_receiver(failing: float = 0.0) -> Iterator[tuple[int, list[Any]]]:
    """Gives its port, and the envelopes that were taken. failing: share of the mails that are put off (451)."""
    from aiosmtpd.controller import Controller

    received: list[Any] = []
    dice = random.Random(11)

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            if dice.random() < failing:
                return "451 try again later"
            received.append(envelope)
            return "250 OK"

    port = free_port()
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port, received
    finally:
        controller.stop()
