"""A real `mlflow server` for the tests, and a relay in front of it that can be down, slow, broken or deaf."""

from __future__ import annotations

import atexit
import contextlib
import http.client
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import empty_store


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def empty() -> Path:
    """MLflow's database before anything is in it."""
    return empty_store()


_shared: list[Server] = []


@pytest.fixture
def server(tmp_path_factory) -> Server:
    """One for all files of this folder: its start takes longer than most of what it is asked."""
    if not _shared:
        _shared.append(Server(tmp_path_factory.mktemp("server")))
        atexit.register(_shared[0].kill)
    elif _shared[0].process.poll() is not None:
        _shared[0].start()
    return _shared[0]


class Server:
    """`mlflow server` on a sqlite file of its own. `kill` is SIGKILL, `freeze` SIGSTOP, both to all its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        self.process = subprocess.Popen(
            [
                Path(sys.executable).parent / "mlflow",
                "server",
                "--workers",
                "1",
                "--host",
                "127.0.0.1",
                "--port",
                str(self.port),
                "--backend-store-uri",
                f"sqlite:///{self.folder / 'server.db'}",
                "--artifacts-destination",
                str(self.folder / "artifacts"),
            ],
            env=environment,
            cwd=self.folder,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 180
        while time.monotonic() < end:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"{self.uri}/health", timeout=5),
            ):
                return
            time.sleep(0.2)
        self.kill()
        raise AssertionError("mlflow server did not start")

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)


class Relay:
    """Passes requests on to a server, unless `mode` says otherwise.

    pass; fail: answers 500; hang up: closes the connection instead of an answer; lose: passes the request on and then
    hangs up, so that the server has done what the client thinks failed. `delay`: seconds before each request.
    """

    def __init__(self, server: Server) -> None:
        self.server, self.port = server, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.mode, self.delay, self.requests = "pass", 0.0, 0
        self._listener: http.server.ThreadingHTTPServer | None = None

    def up(self, mode: str = "pass") -> None:
        self.mode = mode
        if self._listener is None:
            relay = self

            class Handler(_Handler):
                owner = relay

            self._listener = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
            self._listener.daemon_threads = True
            threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()

    def down(self) -> None:
        """Nobody listens any more: connections are refused."""
        if self._listener is not None:
            self._listener.shutdown()
            self._listener.server_close()
            self._listener = None


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: Relay

    def answer(self) -> None:
        relay = self.owner
        relay.requests += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mode = relay.mode
        time.sleep(relay.delay)
        self.close_connection = True
        if mode == "hang up":
            return
        if mode == "fail":
            self.send_error(500)
            return
        upstream = http.client.HTTPConnection("127.0.0.1", relay.server.port, timeout=60)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("connection",)
        }
        upstream.request(self.command, self.path, body, headers)
        response = upstream.getresponse()
        content = response.read()
        upstream.close()
        if mode == "lose":
            return
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in (
                "transfer-encoding",
                "connection",
                "content-length",
                "server",
                "date",
            ):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *arguments: object) -> None:
        pass
