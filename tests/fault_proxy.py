"""An HTTP proxy before an object store that loses, refuses or cuts requests that write, or lies.

A process of its own: in ours, deltalake would keep its thread from running while it waits for its answer.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

LOST, CUT = "its reply is lost", "it is cut off"
CONTROL = "/-/"


LOG = "_delta_log"
Fault = str | int
"""LOST, CUT, or a status with which a write is refused."""
QUIET = {"faults": [], "turn": 0, "always": False, "met": {}, "drops": [], "ahead": 0, "denies": ["", ""], "asked": []}


class Proxy:
    """Hands requests on; an armed one lets PUTs meet faults."""

    def __init__(self, url: str):
        self.url = url

    def arm(self, faults: Sequence[Fault] = (), turn: int = 0, always: bool = False) -> None:
        """The first write of each file meets a fault, the next of the same file none, unless `always`.

        The commit of version v to the n-th table meets `faults[2 n + v + turn]`, round and round; the n-th of the other
        files is lost where `faults[n + turn]` is LOST, and meets nothing else. A table's data files count as one.
        """
        self._say("arm", QUIET | {"faults": list(faults), "turn": turn, "always": always})

    def lie(self, drops: Sequence[str] = (), ahead_seconds: int = 0, denies: tuple[str, str] = ("", "")) -> None:
        """A store that never reads these headers of requests, whose clock is ahead, and that denies (403) every request
        of one method whose path holds a text."""
        drops = [name.lower() for name in drops]
        self._say("arm", QUIET | {"drops": drops, "ahead": ahead_seconds, "denies": denies})

    @property
    def asked(self) -> list[list[str]]:
        """Method and path of every request since it was armed."""
        return self._say("state", None)["asked"]

    @property
    def met(self) -> dict[str, Fault | None]:
        """The files that were written, below the bucket's prefix, and the fault that the first write of each met."""
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
        self.state = json.loads(json.dumps(QUIET))

    def fault_of(self, method: str, path: str) -> Fault | None:
        with self.lock:
            self.state["asked"].append([method, path])
            denied, text = self.state["denies"]
            if method == denied and text in path:
                return 403
            faults, met = self.state["faults"], self.state["met"]
            if method != "PUT" or not faults:
                return None
            name = re.sub(r"part-.*", "part", path.split("?")[0].split("/", 3)[3])
            if name in met and not self.state["always"]:
                return None
            logs = list(dict.fromkeys(one.split(LOG)[0] for one in [*met, name] if LOG in one))
            if LOG in name:
                at = 2 * logs.index(name.split(LOG)[0]) + int(Path(name).stem)
            else:
                at = sum(LOG not in one for one in met if one != name)
            fault = faults[(at + self.state["turn"]) % len(faults)]
            met[name] = fault if LOG in name or fault == LOST else None
            return met[name]


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
        dropped = {"transfer-encoding", *self.server.state["drops"]}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        behind.request(self.command, self.path, body, headers)
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        if fault == LOST:
            self._hang_up()
            return
        self._answer(answer.status, [self._told(*header) for header in answer.getheaders()], content)

    def _told(self, name: str, value: str) -> tuple[str, str]:
        """A header of an answer, by the store's clock."""
        if name.lower() != "date":
            return name, value
        return name, format_datetime(parsedate_to_datetime(value) + timedelta(seconds=self.server.state["ahead"]), True)

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
    codes = {403: "AccessDenied", 409: "ConditionalRequestConflict", 412: "PreconditionFailed", 503: "SlowDown"}
    code = codes.get(status, "InternalError")
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
