"""What each stage program does around its work: readable logging, one line instead of a traceback,
signals."""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import errno
import locale
import logging
import os
import re
import select
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from stages.errors import InputError
from stages.study.params import ROOT
from stages.study.strict import StudyError

# What a full or read-only disk raises; the person at the machine mends it.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# Said by the kernel when the parent has gone. No SIGTERM: a group that is ended gets that already,
# and the second would count as an impatient one.
ORPHANED = signal.SIGUSR1
# include/uapi/linux/prctl.h
_PR_SET_PDEATHSIG = 1
# How long a wait may still take once a signal has come; docker stop kills after ten seconds.
SIGNAL_PATIENCE_S = 5.0
_SHELLS = {b"sh", b"dash", b"bash", b"zsh", b"ksh", b"fish", b"busybox"}


class Stopped(KeyboardInterrupt):
    """Somebody wants this program to end: Ctrl-C, SIGTERM, SIGHUP, or the end of the program that
    started it."""

    def __init__(self, number: int, message: str | None = None) -> None:
        by = "the end of its parent" if number == ORPHANED else signal.Signals(number).name
        super().__init__(f"stopped by {by}" if message is None else message)
        self.number = number
        self.status = 128 + (signal.SIGTERM if number == ORPHANED else number)


class _Asked:
    """The first signal to stop, and whether the program looks for it by itself."""

    number: int | None = None
    deferred = False
    waiting = False


_asked = _Asked()


def run(main: Callable[..., None], stage: str, arguments: str = "") -> None:
    """Runs `main` with the command line's arguments (`arguments` describes them) from the project's
    folder.

    An argument may be the address of the DVC stage that is running: it stands for the name after
    "@". Exit status 0; 2 for a wrong call; 1 with a single line on stderr for StudyError,
    InputError and a full disk; 130, 143 or 129 after Ctrl-C, SIGTERM or SIGHUP, 143 after the end
    of the DVC that started it.
    """
    _speak_utf8()
    logging.basicConfig(
        level=logging.INFO, format=f"{stage}: %(message)s", stream=sys.stderr, force=True
    )
    # mmengine 0.10.7 imports pkg_resources, and its deprecation warning would open every stage's
    # output.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    os.chdir(ROOT)
    if len(sys.argv) - 1 != len(arguments.split()):
        sys.exit(f"usage: python -m stages.{stage} {arguments}".rstrip())
    try:
        listen()
        stage_name = os.environ.get("DVC_STAGE")
        main(*[text.rpartition("@")[2] if text == stage_name else text for text in sys.argv[1:]])
    except (StudyError, InputError) as error:
        logging.error("%s", error)
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read the output has read enough: plan | head. What is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno not in DISK:
            raise
        logging.error(
            "%s: %s; %s and run the same command again",
            error.filename or Path.cwd(),
            (error.strerror or "disk error").lower(),
            "make it writable" if error.errno == errno.EROFS else "free some space there",
        )
        sys.exit(1)
    except Stopped as stop:
        if str(stop):
            logging.error("%s", stop)
        sys.exit(stop.status)
    finally:
        _hear_no_more()


def _speak_utf8() -> None:
    """Starts this program again in Python's UTF-8 mode where the locale has another encoding.

    File names and the files that MMEngine, MMDetection, pycocotools and MLflow open without naming
    an encoding would be read in it: letters outside ASCII turn into others, and classes, images and
    boxes are gone. The programs that this one starts get the mode by the environment.
    """
    os.environ["PYTHONUTF8"] = "1"
    if codecs.lookup(locale.getpreferredencoding(False)).name != "utf-8":
        sys.stdout.flush()
        sys.stderr.flush()
        # Arguments of Python itself (-m, -W) stay; -X works where -E or -I have it ignore the
        # environment.
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def listen() -> None:
    """From here on a signal to stop raises Stopped, or waits inside `deferred`; the same one again
    ends at once."""
    owner = os.getpid()

    def heard(number: int, frame: object) -> None:
        # Loaders' workers are forks and inherit this; when to end them is for the program to say.
        if os.getpid() != owner:
            return
        # One process of several is ended twice by torchrun's agent, which kills after 30 s by
        # itself.
        if number != ORPHANED and "RANK" not in os.environ:
            signal.signal(number, signal.SIG_DFL)
        if _asked.number is None:
            _asked.number = number
            if not _asked.deferred:
                raise Stopped(number)
            if _asked.waiting:
                signal.setitimer(signal.ITIMER_REAL, SIGNAL_PATIENCE_S)

    def lost_patience(number: int, frame: object) -> None:
        if _asked.number is not None and os.getpid() == owner:
            raise Stopped(_asked.number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, ORPHANED):
        # nohup and a shell's & have reasons to ignore some.
        if number == ORPHANED or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, heard)
    signal.signal(signal.SIGALRM, lost_patience)
    # Alone, started from a shell, a program belongs to nobody and may outlive the terminal (nohup,
    # setsid).
    if "DVC_STAGE" in os.environ or "RANK" in os.environ:
        _follow_parent()


def _hear_no_more() -> None:
    """The program has said how it ends: a signal while the interpreter ends is no traceback in one
    of its parts."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, ORPHANED):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def asked_to_stop() -> int | None:
    """The number of the first signal to stop."""
    return _asked.number


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Inside, a signal to stop waits for the program to look at asked_to_stop(). Raises Stopped at
    the end, if any."""
    _asked.deferred = True
    try:
        yield
    finally:
        _asked.deferred = False
    if _asked.number is not None:
        raise Stopped(_asked.number)


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Inside `deferred`, around a wait that may have no end.

    After a signal to stop it goes on for PATIENCE_S at most, and then Stopped is raised.
    """
    _asked.waiting = True
    if _asked.number is not None:
        signal.setitimer(signal.ITIMER_REAL, SIGNAL_PATIENCE_S)
    try:
        yield
    finally:
        _asked.waiting = False
        signal.setitimer(signal.ITIMER_REAL, 0)


def _follow_parent() -> None:
    """Asks for ORPHANED at the end of the parent. Raises Stopped where it has ended already. Linux
    only."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(ORPHANED), 0, 0, 0)
    # A shell stands between where it does not exec its only command (dash): the end of its parent
    # is what counts.
    watched = parent
    while watched > 1 and _process(watched, "comm").strip() in _SHELLS:
        watched = _parent_of(watched)
    if watched != parent:
        with contextlib.suppress(OSError, AttributeError):
            pidfd = os.pidfd_open(watched)
            threading.Thread(target=_wait_for, args=(pidfd,), daemon=True, name="parent").start()
    # It may have gone before prctl, and nobody will say so any more. In a container DVC itself can
    # be process 1.
    is_dvc = re.search(rb"dvc|python", _process(1, "cmdline"))
    if os.getppid() != parent or (watched <= 1 and not is_dvc):
        raise Stopped(ORPHANED)


def _wait_for(pidfd: int) -> None:
    """Sends ORPHANED to this process once the process of `pidfd` has ended."""
    select.select([pidfd], [], [])
    os.kill(os.getpid(), ORPHANED)


def _process(pid: int, file: str) -> bytes:
    """A file of /proc on a process; empty where that has gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{file}").read_bytes()
    return b""


def _parent_of(pid: int) -> int:
    # The command in parentheses may hold spaces.
    fields = _process(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0
