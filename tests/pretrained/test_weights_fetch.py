"""Fetching weights from a real server that misbehaves: what is kept, what is asked for again, what the user reads."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT
from weights_server import CONTENT, SHA256, Server, head, ranged, redirect, status, whole

from stages.errors import InputError
from stages.pretrained import fetch
from stages.study.params import Weights


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """Nothing waits; the pauses that there would be."""
    monkeypatch.setattr(fetch, "_ATTEMPTS", 3)
    made: list[float] = []
    monkeypatch.setattr(fetch, "time", SimpleNamespace(sleep=made.append))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return made


@pytest.fixture
def server(pauses) -> Iterator[Server]:
    server = Server()
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def raw(tmp_path) -> Path:
    return tmp_path / "data" / "weights" / "raw"


def get(source: str, raw: Path, sha256: str | None = SHA256) -> tuple[Path, str]:
    return fetch.fetch("r50", Weights(source, "MIT", sha256), raw)


def refused(source: str, raw: Path, sha256: str | None = SHA256) -> str:
    with pytest.raises(InputError) as caught:
        get(source, raw, sha256)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names(raw: Path) -> list[str]:
    return sorted(path.name for path in raw.iterdir())


def test_a_plain_fetch_happens_once(server, raw):
    for _ in range(2):
        assert get(f"{server.address}/a/r50-1234.pth?download=1", raw) == (
            raw / "r50-1234.pth",
            SHA256,
        )
    assert (raw / "r50-1234.pth").read_bytes() == CONTENT and names(raw) == ["r50-1234.pth"]
    assert server.asked == [("/a/r50-1234.pth?download=1", None)]


def test_a_cut_connection_goes_on_where_it_stopped(server, raw, pauses):
    # More cuts than attempts: each of them brought something.
    cuts = [300_000, 1, 200_000, 65_536, 100_000]
    server.answers = [lambda handler, cut=cut: ranged(handler, cut) for cut in cuts] + [ranged]
    get(f"{server.address}/r50.pth", raw)
    assert server.ranges == [
        None,
        "bytes=300000-",
        "bytes=300001-",
        "bytes=500001-",
        "bytes=565537-",
        "bytes=665537-",
    ]
    assert (raw / "r50.pth").read_bytes() == CONTENT and not any(pauses)


def test_a_reset_connection_goes_on(server, raw):
    server.answers = [lambda handler: ranged(handler, 300_000, reset=True)] * 2 + [ranged]
    get(f"{server.address}/r50.pth", raw)
    assert (raw / "r50.pth").read_bytes() == CONTENT and names(raw) == ["r50.pth"]


def test_a_server_without_ranges_starts_again(server, raw):
    server.answers = [lambda handler: whole(handler, 300_000), whole]
    get(f"{server.address}/r50.pth", raw)
    assert server.ranges == [None, "bytes=300000-"]
    assert (raw / "r50.pth").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "cuts", [[100], [100, 50]], ids=["at the same byte", "now here, now there"]
)
def test_cuts_without_progress_end(server, raw, pauses, cuts):
    server.answers = [lambda handler, cut=cut: whole(handler, cut) for cut in cuts * 20]
    message = refused(f"{server.address}/r50.pth", raw)
    assert (
        "the connection ended early" in message and f"Put the file at {raw / 'r50.pth'}" in message
    )
    assert len(server.asked) == 4 and names(raw) == ["r50.pth.part"]  # the first brought something


def test_other_bytes_than_asked_for_are_not_taken(server, raw):
    def shifted(handler) -> None:
        head(handler, 206, Content_Length=10, Content_Range=f"bytes 0-9/{len(CONTENT)}")
        handler.wfile.write(CONTENT[:10])

    server.answers = [lambda handler: ranged(handler, 1000), shifted]
    assert "other bytes than it was asked for" in refused(f"{server.address}/r50.pth", raw)
    assert (raw / "r50.pth.part").read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize(
    ("rest", "asked"),
    [(0, [f"bytes={len(CONTENT)}-"]), (5, [f"bytes={len(CONTENT) + 5}-", None])],
    ids=["whole", "longer than the file"],
)
def test_a_part_with_nothing_left_to_fetch(server, raw, rest, asked):
    server.answers = [ranged]
    raw.mkdir(parents=True)
    (raw / "r50.pth.part").write_bytes(CONTENT + bytes(rest))
    get(f"{server.address}/r50.pth", raw, None)
    assert (raw / "r50.pth").read_bytes() == CONTENT and server.ranges == asked


def test_a_killed_process_leaves_a_part_that_the_next_call_completes(server, raw):
    hold = threading.Event()

    def stalled(handler) -> None:
        ranged(handler, 300_000)
        handler.wfile.flush()
        hold.wait(300)

    server.answers = [stalled, ranged]
    source, part = f"{server.address}/r50.pth", raw / "r50.pth.part"
    program = (
        "import sys; from pathlib import Path; from stages.pretrained import fetch; "
        "from stages.study.params import Weights; "
        "fetch.fetch('r50', Weights(sys.argv[1], 'MIT', sys.argv[2]), Path(sys.argv[3]))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, source, SHA256, raw], cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while not (part.is_file() and part.stat().st_size >= 200_000):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        # While it lives, a second one keeps off.
        assert refused(source, raw) == f"{part}: another process is fetching this file; wait for it"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        hold.set()
    assert names(raw) == ["r50.pth.part"]
    size = part.stat().st_size
    get(source, raw)
    assert server.ranges == [None, f"bytes={size}-"]
    assert (raw / "r50.pth").read_bytes() == CONTENT and names(raw) == ["r50.pth"]


def test_a_redirect_keeps_the_name_and_the_range(server, raw):
    server.answers = [
        redirect("/store/abc"),
        lambda handler: ranged(handler, 1000),
        redirect("/store/def"),
        ranged,
    ]
    assert get(f"{server.address}/r50.pth", raw)[0] == raw / "r50.pth"
    assert server.asked == [
        ("/r50.pth", None),
        ("/store/abc", None),
        ("/r50.pth", "bytes=1000-"),
        ("/store/def", "bytes=1000-"),
    ]


@pytest.mark.parametrize(("code", "requests"), [(404, 1), (403, 1), (500, 3), (429, 3)])
def test_a_refusal_says_what_to_do(server, raw, code, requests):
    server.answers = [status(code)]
    source = f"{server.address}/r50.pth"
    message = refused(source, raw)
    for said in (source, f"HTTP {code}", f"Put the file at {raw / 'r50.pth'}", "weights: none"):
        assert said in message
    assert len(server.asked) == requests and names(raw) == []


def test_a_passing_fault_passes(server, raw, pauses):
    server.answers = [status(500), status(503), ranged]
    get(f"{server.address}/r50.pth", raw)
    assert (raw / "r50.pth").read_bytes() == CONTENT and pauses == [fetch._PAUSE_S] * 2


def test_offline_says_what_to_do(raw, pauses):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    message = refused(f"http://127.0.0.1:{port}/r50.pth", raw)
    assert (
        "refused" in message
        and f"Put the file at {raw / 'r50.pth'}" in message
        and "weights: none" in message
    )
    assert len(pauses) == 2 and names(raw) == []


@pytest.mark.parametrize(
    "source",
    [
        "http://[::1",
        "http://127.0.0.1:port/r50.pth",
        "http://127.0.0.1/ä b.pth",
        "no/such/file.pth",
        "file:///no/such/file.pth",
    ],
)
def test_no_address_is_one_line(source, raw, pauses):
    message = refused(source, raw)
    assert message.startswith("backbones.r50.weights") and not pauses


def test_a_wrong_checksum_keeps_nothing(server, raw):
    wrong = "0" * 64
    message = refused(f"{server.address}/r50.pth", raw, wrong)
    assert SHA256 in message and wrong in message and "nothing was kept" in message
    assert names(raw) == []


@pytest.mark.parametrize("sha256", [SHA256, SHA256[:8], SHA256[:8].upper()])
def test_a_file_put_by_hand_is_used(server, raw, sha256):
    raw.mkdir(parents=True)
    (raw / "r50.pth").write_bytes(CONTENT)
    assert get(f"{server.address}/r50.pth", raw, sha256) == (raw / "r50.pth", SHA256)
    assert server.asked == []


@pytest.mark.parametrize("name", ["r50.pth", "r50.part"])
def test_a_wrong_file_put_by_hand_is_left_alone(server, raw, name):
    raw.mkdir(parents=True)
    (raw / name).write_bytes(b"mine")
    for source in (f"{server.address}/{name}", str(raw / name), (raw / name).as_uri()):
        message = refused(source, raw, SHA256[:8])
        assert hashlib.sha256(b"mine").hexdigest() in message and SHA256[:8] in message
        assert (raw / name).read_bytes() == b"mine" and "remove the file" in message
    assert server.asked == []


def test_without_a_hash_the_file_is_trusted_and_its_hash_said_once(server, raw, caplog):
    get(f"{server.address}/r50.pth", raw, None)
    assert [SHA256 in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("", "r50.pth"),
        ("/", "r50.pth"),
        ("/a/..", "r50.pth"),
        ("/%2e%2e", "r50.pth"),
        ("/a%2F..", "r50.pth"),
        ("/x%00.pth", "r50.pth"),
        ("/..%2F..%2Fevil.pth", "evil.pth"),
        ("/%2Fetc%2Fevil.pth", "evil.pth"),
    ],
)
def test_no_address_leaves_the_folder(server, raw, tmp_path, path, name):
    assert get(server.address + path, raw)[0] == raw / name
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [raw / name]


def test_a_full_disk_is_noticed_before_the_download(server, raw, monkeypatch):
    monkeypatch.setattr(
        fetch.shutil, "disk_usage", lambda _: SimpleNamespace(free=len(CONTENT) - 1)
    )
    message = refused(f"{server.address}/r50.pth", raw)
    assert "r50.pth needs 1 MB more" in message and len(server.asked) == 1 and names(raw) == []
