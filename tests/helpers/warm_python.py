"""A Python that has the large libraries in memory: programs that tests start are forks of it.

To import torch, MMDetection and MLflow takes a stage five seconds, and the rest of its work often
less than one. `folder()` gives a folder for the front of PATH whose `python` and `dvc` ask a server
to fork instead: the same arguments, environment, folder, streams, process group, signals and exit
status, and the code of the clone that they are started in, since nothing of stages/ is in the
server. What a fork cannot show is started as it is: options of Python itself, and variables that
Python or a library reads when it starts.

Run as a program, with the path of a socket, this file is the server. It ends when nobody holds a
connection to it any more.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import gc
import importlib
import marshal
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# In the order of their imports; the others come with them.
LIBRARIES = (
    "pkg_resources",
    "mmdet.apis",
    "mmdet.datasets",
    "mmdet.engine",
    "mmdet.evaluation",
    "mmdet.models",
    "mmdet.visualization",
    "mmengine.runner",
    "torch.utils.flop_counter",
    "torch.utils.serialization",
    "safetensors.torch",
    "scipy.optimize",
    "scipy.stats",
    "hotcoco",
    "jinja2",
    "psutil",
    "ruamel.yaml",
    "mlflow.tracking",
    "mlflow.store.artifact.local_artifact_repo",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_workspace_store",
    "alembic.command",
    "alembic.config",
    "sqlalchemy.dialects.sqlite",
    "dvc.cli.parser",
    "dvc.data_cloud",
    "dvc.repo.artifacts",
    "dvc.repo.datasets",
    "dvc.repo.experiments.queue.celery",
    "dvc.repo.experiments.run",
    "dvc.repo.graph",
    "dvc.repo.index",
    "dvc.repo.open_repo",
    "dvc.repo.plots",
    "dvc.repo.reproduce",
    "dvc.repo.stage",
    "dvc.utils.hydra",
    "dvc_data.hashfile.db.local",
    "dvc_data.index.checkout",
    "dvc_task.proc.manager",
    "dulwich.porcelain",
    "dulwich.stash",
    "fsspec.implementations.memory",
    "networkx",
    "omegaconf",
    "pygit2",
)
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
STREAMS = 3
# The variable that names a folder of this run, which all its workers know.
PLACE = "DETECTION_MATRIX_TEST_RUN"
PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
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
            for name, value in os.environ.items()
            if not name.startswith(("MLFLOW_", "DVC_", "GIT_", PLACE))
        },
        # What stages/tracking/store.py sets before it imports MLflow.
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    (place / "socket").unlink(missing_ok=True)
    server = subprocess.Popen(
        [sys.executable, __file__, str(place / "socket")],
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


class Late(types.ModuleType):
    """Stands for mmcv's compiled ops while MMDetection is imported: who uses one asks for it then,
    and gets that of the clone."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        current = sys.modules.get("mmcv._ext", self)
        if current is self:
            return None
        return getattr(current, name)


def warm_up() -> None:
    """Imports the libraries, and nothing of stages/ stays."""
    import mmcv
    from mmengine import registry
    from mmengine.config import Config, utils
    from PIL import Image

    sys.path.insert(0, str(ROOT))
    importlib.import_module("stages.model.ops.loaders")
    sys.modules["mmcv._ext"] = mmcv._ext = Late("mmcv._ext")
    for name in LIBRARIES:
        importlib.import_module(name)
    Image.init()
    del sys.modules["mmcv._ext"], mmcv._ext
    for name in [name for name in sys.modules if name.split(".")[0] == "stages"]:
        del sys.modules[name]
    del registry.TASK_UTILS.module_dict["CrowdAwareAssigner"]
    sys.path.remove(str(ROOT))
    # MMEngine reads 200 files of MMDetection for each `mmdet::` base, the same each time.
    utils.load = functools.cache(utils.load)
    for path in sorted((ROOT / "configs").rglob("*.py")):
        if "mmdet::" in path.read_text(encoding="utf-8"):
            Config.fromfile(path, import_custom_modules=False)
    gc.collect()
    gc.freeze()


class Server:
    """Forks for whoever connects to the socket at `path`."""

    def __init__(self, path: str) -> None:
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(64)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.leases: set[socket.socket] = set()
        # The forks that run, by their connections and by their pidfds.
        self.forks: dict[socket.socket, int] = {}
        self.ends: dict[int, tuple[int, socket.socket]] = {}

    def serve(self) -> tuple | None:
        """Returns the request in each fork, and None in the server when nobody needs it."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    request = self.accept()
                    if request is not None:
                        return request
                elif key.fileobj in self.leases:
                    self.selector.unregister(key.fileobj)
                    self.leases.remove(key.fileobj)
                elif key.fileobj in self.forks:
                    self.hear(key.fileobj)
                elif key.fileobj in self.ends:
                    self.end(key.fd)
            if not self.leases and not self.ends:
                return None

    def accept(self) -> tuple | None:
        connection, _ = self.listener.accept()
        size, streams, _, _ = socket.recv_fds(connection, 8, STREAMS)
        length = int.from_bytes(size, "little")
        if not length:
            self.leases.add(connection)
            self.selector.register(connection, selectors.EVENT_READ)
            return None
        data = b""
        while len(data) < length:
            piece = connection.recv(length - len(data))
            if not piece:
                connection.close()
                return None
            data += piece
        pid = os.fork()
        if not pid:
            connection.close()
            self.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            return marshal.loads(data)
        for stream in streams:
            os.close(stream)
        end = os.pidfd_open(pid)
        self.forks[connection], self.ends[end] = pid, (pid, connection)
        self.selector.register(connection, selectors.EVENT_READ)
        self.selector.register(end, selectors.EVENT_READ)
        return None

    def hear(self, connection: socket.socket) -> None:
        """Signals of the client, or its end: as if they had been the fork's."""
        with contextlib.suppress(OSError):
            for number in connection.recv(64) or (signal.SIGKILL,):
                os.kill(self.forks[connection], number)
                if number == signal.SIGKILL:
                    self.selector.unregister(connection)
                    del self.forks[connection]

    def end(self, pidfd: int) -> None:
        pid, connection = self.ends.pop(pidfd)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.selector.unregister(pidfd)
        os.close(pidfd)
        if self.forks.pop(connection, None):
            self.selector.unregister(connection)
            with contextlib.suppress(OSError):
                connection.sendall(code.to_bytes(4, "little", signed=True))
        connection.close()

    def close(self) -> None:
        """In a fork, which has nothing of the server's."""
        self.selector.close()
        self.listener.close()
        for connection in (*self.leases, *(place for _, place in self.ends.values())):
            connection.close()
        for pidfd in self.ends:
            os.close(pidfd)


def run(
    name: str,
    arguments: list[bytes],
    place: bytes,
    environment: dict[bytes, bytes],
    group: int,
    ignored: list[int],
) -> None:
    """Does in this fork what the program `name` does."""
    import numpy as np

    for number in PASSED_ON:
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
    if signal.SIGINT not in ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Of another session, it cannot be joined.
    with contextlib.suppress(OSError):
        os.setpgid(0, group)
    os.chdir(place)
    os.environb.clear()
    os.environb.update(environment)
    np.random.seed()
    texts = list(map(os.fsdecode, arguments))
    program = Path(sys.executable).parent / name
    sys.orig_argv = [str(program), *texts]
    # Without this file's names.
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if name == "dvc":
        sys.argv, sys.path[0] = [str(program), *texts], str(program.parent)
        sys.exit(importlib.import_module("dvc.cli").main())
    sys.argv = [texts[0], *texts[2:]]
    if texts[0] == "-m":
        sys.path[0] = str(Path.cwd())
        # What Python itself calls.
        runpy._run_module_as_main(texts[1])
    else:
        sys.path[0] = ""
        exec(compile(texts[1], "<string>", "exec"), main.__dict__)


def end(error: BaseException | None) -> None:
    """The end of a program after `error`, as an interpreter makes it, but for what it frees: with
    this many modules that takes longer than most programs."""
    status = 0
    if isinstance(error, SystemExit):
        status = error.code
        if status is None:
            status = 0
        elif not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    # Threads that write are waited for.
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if isinstance(error, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status & 0xFF)


if __name__ == "__main__":
    for usual in PASSED_ON:
        signal.signal(usual, signal.SIG_IGN)
    warm_up()
    asked = Server(sys.argv[1]).serve()
    if asked is not None:
        raised = None
        try:
            run(*asked)
        except BaseException as error:
            raised = error
        end(raised)
