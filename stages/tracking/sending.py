"""A thread that talks to the tracker: in order, again after a failure, in no training's way."""

from __future__ import annotations

import importlib.util
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from stages.errors import InputError

log = logging.getLogger(__name__)

# Seconds between two tries of the same job: the first, and the most that doubling makes of it.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
# How long the end of a program waits for the tracker: in all; where it fails, since it last took
# something; and where it fails and has never taken anything.
SENDING_PATIENCE_S = 120.0
QUIET_S = 45.0
NEVER_S = 15.0
# Characters of an error that a line has room for.
LONGEST_REASON = 200
# MLflow's error codes for what no second try would mend.
FINAL = ("INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "FEATURE_DISABLED")


class NeedsPerson(Exception):
    """The tracker takes nothing before a person types the command in the message, one line."""


Job = Callable[[], object]


@dataclass
class Unsent:
    """Why the tracker has not taken everything; is_refused: it never will."""

    reason: str
    is_refused: bool


class Sender:
    """Jobs wait in a queue; a thread does them in order, and one that fails again until it
    succeeds.

    A job that MLflow refuses for good is left out. Everything sent is on disk before it comes here,
    so that a machine without MLflow loses nothing: there all jobs are dropped, and one line says
    so.
    """

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._is_busy = False
        self._closed = False
        self._moved: float | None = None
        self._failure = ""
        self._refused: dict[Job, str] = {}
        self._tracking = installed()
        if self._tracking:
            threading.Thread(target=self._serve, daemon=True, name="mlflow").start()
        else:
            _say_that_tracking_is_off()

    def put(self, job: Job) -> None:
        """Does the job after those that wait, once, however often it was put meanwhile."""
        with self._changed:
            if self._tracking and job not in self._jobs:
                self._jobs.append(job)
                self._changed.notify_all()

    def moved(self) -> None:
        """A long job says that the tracker took a part of it."""
        with self._changed:
            self._failure, self._moved = "", time.monotonic()
            self._changed.notify_all()

    def finish(self, patience_s: float | None = None, large_s: float = 0) -> Unsent | None:
        """No more jobs come. Waits for them, at most for `patience_s` (SENDING_PATIENCE_S), or
        QUIET_S of failures.

        large_s: more of both, for a large file on its way. None where all is sent.
        """
        start = time.monotonic()
        if patience_s is None:
            patience_s = SENDING_PATIENCE_S
        end = start + patience_s + large_s
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            while self._jobs or self._is_busy:
                until = end
                if self._failure and self._moved is None:
                    until = min(end, start + NEVER_S)
                elif self._failure and self._moved is not None:
                    until = min(end, max(start, self._moved) + QUIET_S + large_s)
                remaining_s = until - time.monotonic()
                if remaining_s <= 0:
                    reasons = (self._failure, *self._refused.values(), "no answer yet")
                    return Unsent(next(filter(None, reasons)), is_refused=False)
                self._changed.wait(remaining_s)
            for reason in self._refused.values():
                return Unsent(reason, is_refused=True)
            return None

    def _serve(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if not self._jobs:
                    return
                job = self._jobs.popleft()
                self._is_busy = True
            error: Exception | None = None
            try:
                job()
            except Exception as raised:  # whatever the tracker does, the training goes on
                error = raised
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
                if error is None:
                    pause = FIRST_PAUSE_S
                    self._refused.pop(job, None)
                    self._failure, self._moved = "", time.monotonic()
                elif is_final(error):
                    self._refused[job] = in_a_line(error)
                else:
                    self._failure = in_a_line(error)
                    if job not in self._jobs:
                        self._jobs.appendleft(job)
                    self._sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_S)

    def _sleep(self, seconds: float) -> None:
        """Until the time is over, or finish() is called during it; holds the condition."""
        closed = self._closed
        if closed:
            # Who waits for the end wants to know soon.
            seconds = min(seconds, 2 * FIRST_PAUSE_S)
        self._changed.wait_for(lambda: self._closed != closed, seconds)


def installed() -> bool:
    """Whether MLflow can be imported; it is not, which would take seconds."""
    return importlib.util.find_spec("mlflow") is not None


@cache
def _say_that_tracking_is_off() -> None:
    log.warning(
        "MLflow is not installed here, so tracking is off; everything is on disk, and `make sync` "
        "sends it from a machine that has MLflow"
    )


def is_final(error: Exception) -> bool:
    """Whether trying again is of no use: MLflow calls the request itself wrong, a file is gone or
    damaged, or a person must do something first."""
    if isinstance(error, (FileNotFoundError, InputError, NeedsPerson)):
        return True
    return getattr(error, "error_code", None) in FINAL


def in_a_line(error: Exception) -> str:
    """What is wrong, short, without the user and password that an address may hold."""
    if isinstance(error, NeedsPerson):
        return str(error)
    text = " ".join(str(error).split()) or type(error).__name__
    # Around these two MLflow wraps the address and five layers of libraries.
    if reason := re.search(r"\[Errno -?\d+\] ([A-Z][\w ]+)", text):
        return reason[1].lower()
    if "timed out" in text or "timeout" in text:
        return "no answer in time"
    text = without_password(text)
    if len(text) > LONGEST_REASON:
        text = f"{text[:LONGEST_REASON]}..."
    return text


def without_password(text: str) -> str:
    return re.sub(r"://[^/@\s]+@", "://", text)
