"""A Python that has the large libraries in memory: programs that tests start are forks of it.

To import torch, MMDetection and MLflow takes a stage five seconds, and the rest of its work often
less than one. `folder()` gives a folder for the front of PATH whose `python` and `dvc` ask a server
(warm_server.py) to fork instead: the same arguments, environment, folder, streams, process group,
signals and exit status, and the code of the clone that they are started in, since nothing of
stages/ is in the server. What a fork cannot show is started as it is: options of Python itself, and
variables that Python or a library reads when it starts.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import warm_server
from warm_server import PASSED_ON, STREAMS

# The start of the names of variables that are read before the first line of a program.
AT_START = (
    "PYTHON",
    "LANG",
    "LC_",
    "LD_",
    "OMP_",
    "MKL_",
    "KMP_",
    "GOMP_",
    "OPENBLAS_",
    "MALLOC_",
    "TORCH",
    "TZ",
)
# Before a library has set one for its own process: cv2, torch and scikit-learn do as they are imported.
_FIRST = {name: value for name, value in os.environ.items() if name.startswith(AT_START)}
# The variable that names a folder of this run, which all its workers know.
PLACE = "DETECTION_MATRIX_TEST_RUN"
CLIENT = """\
#!{python} -IS
import _signal
import _socket
import marshal
import os
import sys

name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]


def start_as_it_is():
    program = {programs!r}[name]
    os.execv(program, [program, *arguments])


at_start = {{
    variable: value
    for variable, value in os.environb.items()
    if variable.startswith({prefixes!r})
}}
if at_start != {at_start!r} or name == "python" and arguments[:1] not in (["-m"], ["-c"]):
    start_as_it_is()
ignored = [n for n in {passed_on!r} if _signal.getsignal(n) == _signal.SIG_IGN]
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
try:
    request = marshal.dumps(
        (name, [*map(os.fsencode, arguments)], os.getcwdb(), {{**os.environb}}, os.getpgrp(), ignored)
    )
    server.connect({server!r})
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range({streams}))
    server.sendmsg(
        [len(request).to_bytes(8, "little")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)]
    )
except OSError:
    start_as_it_is()
for number in {passed_on!r}:
    if number not in ignored:
        _signal.signal(number, lambda number, frame: server.send(bytes([number])))
server.sendall(request)
status = int.from_bytes(server.recv(4) or b"\\1\\0\\0\\0", "little", signed=True)
if status < 0:
    if -status != _signal.SIGKILL:
        _signal.signal(-status, _signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


def environment_of_programs() -> dict[str, str]:
    """The environment without what libraries of this process have set in it for themselves, with
    which programs would have to be started as they are."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(AT_START)}
    return {**own, **_FIRST}


@functools.cache
def folder() -> Path:
    """The folder with `python` and `dvc`. The server is started for all workers of this run."""
    place = Path(os.environ[PLACE])
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = _connect(place / "socket")
        if connection is None:
            connection = _start(place)
    # It is closed with this process, however that ends.
    atexit.register(connection.close)
    return place / "bin"


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` has filled: the first worker of this run that asks does it for all."""
    made = Path(os.environ[PLACE]) / name
    with (made.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = made.with_suffix(".new")
            # Of a worker in which it failed.
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(made)
    return made


def environment() -> Path:
    """What stands for .venv in a clone: that of these tests, with this `python` and this `dvc`."""
    return made_once("environment", _link)


def _link(place: Path) -> None:
    own, warm = Path(sys.prefix), folder()
    for part in own.iterdir():
        if part.name != "bin":
            (place / part.name).symlink_to(part)
    (place / "bin").mkdir()
    for program in (own / "bin").iterdir():
        replaced = warm / program.name
        if not replaced.exists():
            replaced = program
        (place / "bin" / program.name).symlink_to(replaced)


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        return None
    connection.sendall(bytes(8))
    return connection


def _start(place: Path) -> socket.socket:
    """A connection to a new server, whose clients are in place/bin."""
    environment = {
        **{
            name: value
            for name, value in environment_of_programs().items()
            if not name.startswith(("MLFLOW_", "DVC_", "GIT_", PLACE))
        },
        # What stages/tracking/store.py sets before it imports MLflow.
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    (place / "socket").unlink(missing_ok=True)
    server = subprocess.Popen(
        [sys.executable, warm_server.__file__, str(place / "socket")],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(place / "log").open("w"),
    )
    own = Path(sys.executable).parent
    client = CLIENT.format(
        python=sys.executable,
        programs={name: str(own / name) for name in ("python", "dvc")},
        prefixes=tuple(map(os.fsencode, AT_START)),
        at_start={
            os.fsencode(name): os.fsencode(value)
            for name, value in environment.items()
            if name.startswith(AT_START)
        },
        passed_on=tuple(map(int, PASSED_ON)),
        server=str(place / "socket"),
        streams=STREAMS,
    )
    (place / "bin").mkdir(exist_ok=True)
    for name in ("python", "dvc"):
        path = place / "bin" / name
        path.write_text(client, encoding="utf-8")
        path.chmod(0o755)
    while True:
        connection = _connect(place / "socket")
        if connection is not None:
            return connection
        if server.poll() is not None:
            raise AssertionError((place / "log").read_text(encoding="utf-8"))
        time.sleep(0.1)
