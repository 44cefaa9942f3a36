"""An HTTP proxy before an object store that loses, refuses or cuts one of the requests that write.

A process of its own: in ours, deltalake would keep its thread from running while it waits for its answer.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

LOST, CUT = "its reply is lost", "it is cut off"
CONTROL = "/-/"


class Proxy:
    """Hands requests on. The one PUT of number `at` (from 1; 0: none, -1: all), of those whose path holds `of`, meets
    `fault`: LOST, CUT, or a status with which it is refused."""

    def __init__(self, url: str):
        self.url = url

    def arm(self, at: int, fault: str | int, of: str = "") -> None:
        self._say("arm", {"at": at, "fault": fault, "of": of, "seen": 0, "met": False})

    @property
    def met(self) -> bool:
        """Whether the write that is to fail was reached."""
        return self._say("state", None)["met"]

    def _say(self, what: str, told: dict | None) -> dict:
        proxy = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=120)
        proxy.request("POST", CONTROL + what, json.dumps(told))
        answer = json.loads(proxy.getresponse().read())
        proxy.close()
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, endpoint: str):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urlsplit(endpoint).netloc
        self.lock = threading.Lock()
        self.state = {"at": 0, "fault": LOST, "of": "", "seen": 0, "met": False}

    def fault_of(self, method: str, path: str) -> str | int | None:
        with self.lock:
            state = self.state
            if method != "PUT" or state["of"] not in path:
                return None
            state["seen"] += 1
            hit = state["at"] in (-1, state["seen"])
            state["met"] |= hit
            return state["fault"] if hit else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self._body()
        if self.path.startswith(CONTROL):
            with self.server.lock:
                self.server.state = json.loads(body) or self.server.state
                self._answer(200, [], json.dumps(self.server.state).encode())
            return
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
    command = [sys.executable, str(Path(__file__)), endpoint]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Proxy(process.stdout.readline().strip())
        finally:
            process.terminate()


if __name__ == "__main__":
    server = _Server(sys.argv[1])
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
