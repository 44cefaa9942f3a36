"""An HTTP proxy before an object store that loses, refuses or cuts one of the requests that write."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

LOST, CUT = "its reply is lost", "it is cut off"


class Proxy(ThreadingHTTPServer):
    """Hands requests on. The one PUT of number `at` (from 1), of those whose path holds `of`, meets `fault`: LOST,
    CUT, or a status with which it is refused. `seen` counts them; `met`: whether it was reached."""

    daemon_threads = True

    def __init__(self, endpoint: str):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urlsplit(endpoint).netloc
        self.lock = threading.Lock()
        self.arm(0, LOST)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def arm(self, at: int, fault: str | int, of: str = "") -> None:
        self.at, self.fault, self.of, self.seen, self.met = at, fault, of, 0, False

    def fault_of(self, method: str, path: str) -> str | int | None:
        with self.lock:
            if method != "PUT" or self.of not in path:
                return None
            self.seen += 1
            self.met |= self.seen == self.at
            return self.fault if self.seen == self.at else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self._body()
        fault = self.server.fault_of(self.command, self.path)
        if fault == CUT:
            self._hang_up()
            return
        if isinstance(fault, int):
            self._answer(fault, [("Content-Type", "application/xml")], _refusal(fault))
            return
        behind = http.client.HTTPConnection(self.server.behind, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
        behind.request(self.command, self.path, body, headers)
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        if fault == LOST:
            self._hang_up()
            return
        self._answer(answer.status, answer.getheaders(), content)

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        length = str(len(content))
        for name, value in headers:
            if name.lower() == "content-length":
                length = value if self.command == "HEAD" else length
            elif name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        with suppress(ConnectionError):  # it has given up waiting
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle

    def log_message(self, *_: object) -> None:
        pass


def _refusal(status: int) -> bytes:
    code = {409: "ConditionalRequestConflict", 412: "PreconditionFailed", 503: "SlowDown"}.get(status, "InternalError")
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>refused</Message></Error>'.encode()


@contextmanager
def fault_proxy(endpoint: str) -> Iterator[Proxy]:
    with Proxy(endpoint) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
