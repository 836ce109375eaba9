"""A real HTTP server that misbehaves on purpose, for the tests of fetching weights."""

from __future__ import annotations

import hashlib
import random
import socket
import struct
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = random.Random(0).randbytes(1_000_003)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Answers with `answers`, one a request, and with the last for all further ones; notes paths and Range headers."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: list[Answer] = [whole]
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self) -> list[str | None]:
        return [header for _, header in self.asked]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        server.asked.append((self.path, self.headers["Range"]))
        (server.answers.pop(0) if len(server.answers) > 1 else server.answers[0])(self)

    def log_message(self, *_) -> None:
        pass


def head(handler: BaseHTTPRequestHandler, status: int, **headers: object) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()


def whole(handler: BaseHTTPRequestHandler, cut: int | None = None) -> None:
    """A server without ranges; `cut`: it closes after so many bytes."""
    head(handler, 200, Content_Length=len(CONTENT))
    handler.wfile.write(CONTENT[:cut])


def ranged(handler: BaseHTTPRequestHandler, cut: int | None = None, reset: bool = False) -> None:
    """A server with ranges, which closes, or resets the connection, after `cut` bytes of an answer."""
    asked = handler.headers["Range"]
    start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
    if start >= len(CONTENT):
        return head(handler, 416, Content_Range=f"bytes */{len(CONTENT)}")
    rest = CONTENT[start:]
    head(
        handler,
        206 if asked else 200,
        Content_Length=len(rest),
        **{"Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if asked else {},
    )
    handler.wfile.write(rest[:cut])
    if reset:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()


def status(code: int) -> Answer:
    return lambda handler: head(handler, code, Content_Length=0)


def redirect(place: str) -> Answer:
    return lambda handler: head(handler, 302, Location=place, Content_Length=0)
