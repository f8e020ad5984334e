"""A proxy before the server that remembers what clients said and were told."""

import contextlib
import http.client
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from server import CALL_SECONDS, parsed

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}


@dataclass
class Exchange:
    """One request and its answer; headers have names in lower case."""

    method: str
    target: str
    sent: dict
    body: object
    status: int
    got: dict
    answer: object
    # On the clock of time.monotonic().
    began: float
    ended: float

    @property
    def path(self) -> str:
        return urlsplit(self.target).path.rstrip("/")

    @property
    def line(self) -> str:
        return f"{self.method} {self.target} {self.status}"


def of(exchanges: list[Exchange], method="", path="") -> list[Exchange]:
    """Those of one method, below one path."""
    return [it for it in exchanges if it.method.startswith(method) and it.path.startswith(path)]


class Proxy:
    """Passes everything on to a port of loopback, from a port of loopback.

    One request at a time if `in_turn`: the order of the answers is then the server's order of work.
    """

    def __init__(self, port: int, in_turn=False):
        self._lock = threading.Lock()
        turn = threading.Lock() if in_turn else contextlib.nullcontext()
        self._seen: list[Exchange] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = CALL_SECONDS

            def relay(self):
                with turn:
                    it, answer = forward(self, port)
                # Before the client can act on the answer, or a test look for it.
                proxy._remember(it)
                reply(self, it, answer)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = relay

            def log_message(self, *_):
                """Nothing: the exchanges are kept."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def _remember(self, it: Exchange):
        with self._lock:
            self._seen.append(it)

    def seen(self) -> list[Exchange]:
        """In the order of the answers: a request that needed another's answer comes after it."""
        with self._lock:
            return sorted(self._seen, key=lambda it: it.ended)

    def since(self, mark: float, method="", path="") -> list[Exchange]:
        """What began after `mark`, of one method, below one path."""
        return of([it for it in self.seen() if it.began >= mark], method, path)

    def stop(self):
        self._http.shutdown()
        self._http.server_close()


def forward(handler: BaseHTTPRequestHandler, port: int) -> tuple[Exchange, bytes]:
    began = time.monotonic()
    sent = {name.lower(): value for name, value in handler.headers.items()}
    body = handler.rfile.read(int(sent.get("content-length", 0)))
    onward = {name: value for name, value in sent.items() if name not in HOP_BY_HOP}
    upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_SECONDS)
    try:
        upstream.request(handler.command, handler.path, body or None, onward)
        response = upstream.getresponse()
        got = {name.lower(): value for name, value in response.getheaders()}
        answer = response.read()
    finally:
        upstream.close()
    said = parsed(body.decode()), response.status, got, parsed(answer.decode())
    return Exchange(handler.command, handler.path, sent, *said, began, time.monotonic()), answer


def reply(handler: BaseHTTPRequestHandler, it: Exchange, answer: bytes):
    handler.send_response_only(it.status)
    for name, value in it.got.items():
        if name not in HOP_BY_HOP:
            handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(answer)
