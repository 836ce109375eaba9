"""A program of the warm Python is what it would be if it were started from nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import warm_python

SAYS = """
import json, os, sys
print(json.dumps([sys.argv, sys.path[0], os.getcwd(), os.environ["NUMBER"], __name__]))
print(os.getpgrp() == int(os.environ["GROUP"]))
print(sys.stdin.read(), file=sys.stderr)
sys.exit(7)
"""


def program(*arguments: str, **settings) -> subprocess.Popen:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    settings.setdefault("env", warm_python.environment_of_programs())
    python = [str(warm_python.folder() / "python"), *arguments]
    return subprocess.Popen(python, text=True, **{**pipes, **settings})


def outcome(python: str | Path, *arguments: str, folder: Path, **env: str) -> tuple:
    done = subprocess.run(
        [python, *arguments],
        cwd=folder,
        env={**warm_python.environment_of_programs(), **env},
        input="said",
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", SAYS, "a", "b c"),
        ("-m", "says", "--option", "ü"),
        ("-c", "raise SystemExit('no')"),
        ("-c", "import sys; sys.exit(None)"),
        ("-c", "import atexit; atexit.register(print, 'end'); print('work')"),
        ("-c", "import sys; print('torch' in sys.modules or 'cold')", "as it is"),
    ],
)
def test_the_same_as_a_program_from_nothing(arguments, tmp_path):
    (tmp_path / "says.py").write_text(SAYS, encoding="utf-8")
    # A variable that Python reads at its start: such a program is started as it is.
    cold = {"PYTHONNOUSERSITE": "1"} if arguments[-1] == "as it is" else {}
    env = {"NUMBER": "1", "GROUP": str(os.getpgrp()), **cold}
    # In a container whose processes belong to a group outside of it, a fork cannot join that.
    if not os.getpgrp():
        env["GROUP"] = "-1"
    warm = outcome(warm_python.folder() / "python", *arguments, folder=tmp_path, **env)
    assert warm == outcome(sys.executable, *arguments, folder=tmp_path, **env)


def test_it_has_the_libraries_and_nothing_of_the_stages():
    done = program("-c", "import sys; print(*sys.modules)").communicate(timeout=60)[0].split()
    assert {"torch", "mmdet", "mlflow", "dvc"} <= set(done)
    assert not [name for name in done if name.split(".")[0] in ("stages", "tests", "conftest")]


def test_what_a_library_sets_for_its_process_is_not_handed_on(monkeypatch):
    """With it each program would be started as it is: seconds of imports for each."""
    monkeypatch.setenv("KMP_SET_BY_A_LIBRARY", "1")
    assert "KMP_SET_BY_A_LIBRARY" not in warm_python.environment_of_programs()
    code = "import sys; print('torch' in sys.modules)"
    assert program("-c", code).communicate(timeout=60)[0] == "True\n"


def test_a_traceback_and_its_status():
    process = program("-c", "1 / 0")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1 and said.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_reaches_it(number, tmp_path):
    """Whoever is signalled, the fork ends: SIGKILL of the client is its end too."""
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    process = program("-c", code)
    fork = Path(f"/proc/{process.stdout.readline().strip()}")
    assert fork.exists()
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == -number
    end = time.monotonic() + 20
    while fork.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
