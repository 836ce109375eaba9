"""The server of warm_python.py: imports the large libraries once, and forks for whoever connects.

Run with the path of a socket. It ends when nobody holds a connection to it any more.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import marshal
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import types
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
STREAMS = 3
PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


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
