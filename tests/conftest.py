"""A copy of the project in a folder of its own, with a study small enough to run many times."""

from __future__ import annotations

import compileall
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import quick
import warm_python

from stages.study import yaml_text

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

CELLS = {
    "faster_rcnn-r50-fpn-sgd-512": {
        "detector": "faster_rcnn",
        "backbone": "r50",
        "neck": "fpn",
        "optimizer": "sgd",
        "image_size": 512,
    },
    "faster_rcnn-swin_l-fpn-sgd-512": {
        "detector": "faster_rcnn",
        "backbone": "swin_l",
        "neck": "fpn",
        "optimizer": "sgd",
        "image_size": 512,
    },
    "faster_rcnn-swin_l-pafpn-adamw-512": {
        "detector": "faster_rcnn",
        "backbone": "swin_l",
        "neck": "pafpn",
        "optimizer": "adamw",
        "image_size": 512,
    },
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="skip each test when it starts a program other than git, or a training",
    )
    parser.addoption(
        "--write-golden",
        action="store_true",
        help="write the files of tests/golden/ instead of comparing with them",
    )


@pytest.fixture(scope="session", autouse=True)
def _quick(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("quick"):
        quick.forbid_programs()


def pytest_configure(config: pytest.Config) -> None:
    # Made and removed by whoever starts first: pytest itself, of which workers are children.
    if warm_python.PLACE not in os.environ:
        os.environ[warm_python.PLACE] = tempfile.mkdtemp(prefix="detection-matrix-tests-")
        config.add_cleanup(_remove_place)
    # A shell's & and nohup have their children ignore signals, which some tests send and wait for.
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def _remove_place() -> None:
    shutil.rmtree(os.environ.pop(warm_python.PLACE), ignore_errors=True)


# Files that take longest, the longest first: no worker is left alone with one of them at the end.
LONGEST = (
    "test_graph.py",
    "test_records.py",
    "test_what_runs_again.py",
    "test_training.py",
    "test_own_data.py",
    "test_dvc_tables.py",
    "test_run.py",
    "test_model_registry.py",
    "test_rooms.py",
    "test_checkout.py",
    "test_accept.py",
    "test_rows.py",
    "test_zoo.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}

    def place(item: pytest.Item) -> int:
        # It takes minutes.
        if item.name == "test_thirty_random_kill_points":
            return -1
        return places.get(item.path.name, len(places))

    items.sort(key=place)


class Project:
    """A clone of this repository: `run` calls a program in it as a user would, `trained` counts trainings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A bare machine: no git identity, no configuration, no tracking server of the person who runs the tests, and
        # nothing of a `make test` that this is a part of.
        self.env = {
            **{
                name: value
                for name, value in warm_python.environment_of_programs().items()
                if not name.startswith(
                    ("MLFLOW_", "DVC_", "GIT_", "MAKE", "MFLAGS", warm_python.PLACE)
                )
            },
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder.parent),
            "XDG_CONFIG_HOME": str(folder.parent / "config"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
        }

    def run(self, *command: str, check: bool = True, **env: str) -> subprocess.CompletedProcess:
        """Runs it with a Python that is warm: see warm_python.py."""
        quick.start(command[0])
        return self.cold(*command, check=check, **{"PATH": self.warm["PATH"], **env})

    @property
    def warm(self) -> dict[str, str]:
        """The environment in which `python` and `dvc` are warm."""
        path = f"{warm_python.folder()}{os.pathsep}{self.env['PATH']}"
        return {**self.env, "PATH": path}

    def cold(self, *command: str, check: bool = True, **env: str) -> subprocess.CompletedProcess:
        """Runs it in processes that start from nothing, as a person's do."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.env, **env},
            text=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=900,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}"
            )
        return done

    def make(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Make, in the environment of these tests: nothing is installed. Skips where make did not install that."""
        quick.start("make")
        environment = self.folder / ".venv"
        if not environment.is_symlink():
            environment.symlink_to(warm_python.environment())
        if not (environment / "installed").exists():
            pytest.skip("this is not the environment that make installs")
        os.utime(self.folder / "requirements.txt", (0, 0))
        return self.run("make", *arguments, check=check)

    def git(self, *arguments: str) -> str:
        """Git under a name of the tests' own."""
        who = {
            f"GIT_{role}_{field}": value
            for role in ("AUTHOR", "COMMITTER")
            for field, value in (("NAME", "test"), ("EMAIL", "test@example.invalid"))
        }
        return self.cold("git", *arguments, **who).stdout.strip()

    def params(self) -> dict:
        return yaml_text.loads((self.folder / "params.yaml").read_text(encoding="utf-8"))

    def set_params(self, change) -> None:
        values = self.params()
        change(values)
        (self.folder / "params.yaml").write_text(yaml_text.dumps(values), encoding="utf-8")


def trained(output: str) -> list[str]:
    """The cells that a `dvc repro` or `dvc exp run` trained, from what it printed."""
    return [
        line.rsplit("@", 1)[1].rstrip("':")
        for line in output.splitlines()
        if line.startswith("Running stage") and "train@" in line
    ]


def small(values: dict) -> None:
    """The study cut down: three cells, a dozen images, one epoch of a few steps at 64 pixels."""
    values["cells"] = CELLS
    values["data"]["demo_images"] = {"train": 8, "val": 4, "test": 4}
    values["data"]["demo_image_size"] = 256
    values["scales"]["miniature"].update(
        image_scale=0.125, epochs=2, milestones=[1], first_validation=1, warmup_iterations=1
    )


def project_files() -> list[str]:
    """What git would take of this project's folder, be it a repository of its own, unpacked, or another user's."""
    with tempfile.TemporaryDirectory() as empty:
        subprocess.run(["git", "init", "--quiet", "--bare", empty], check=True)
        listed = subprocess.run(
            [
                "git",
                "--git-dir",
                empty,
                "--work-tree",
                ROOT,
                "ls-files",
                "-z",
                "--others",
                "--exclude-standard",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return list(filter(None, listed.split("\0")))


def _clone(folder: Path) -> None:
    """A clone in which nothing has run."""
    for name in project_files():
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.endswith("/dvc.lock"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    project = Project(folder)
    project.set_params(small)
    project.git("init", "--quiet")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "a clone")
    # What `make install` does in a clone on a machine without an identity.
    assert "detection-matrix@localhost" in project.cold("python", "-m", "stages.set_up").stdout
    # Or the first program of each copy would compile all of it.
    compileall.compile_dir(folder / "stages", quiet=1)


def _empty_store(folder: Path) -> None:
    # Sets what MLflow reads from the environment when it is imported.
    import stages.tracking.store  # noqa: F401  isort: skip
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db").search_experiments()


def empty_store() -> Path:
    """MLflow's database before anything is in it, to be copied; to make it takes seconds."""
    return warm_python.made_once("store", _empty_store) / "mlflow.db"


def make_project(folder: Path, database: bool = True) -> Project:
    """The files that git has or would add, in a fresh repository with one commit.

    database: whether MLflow's is there, with nothing in it; a clone of a person has none before the first run.
    """
    quick.start("clone of the project")
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", warm_python.made_once("clone", _clone), folder], check=True)
    if database:
        shutil.copy(empty_store(), folder)
    return Project(folder)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh clone in which nothing has run."""
    return make_project(tmp_path / "clone")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights, where it lies beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the folder shared is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def taco(shared: Path) -> Path:
    """1,077 real photographs with 3,689 boxes."""
    return shared / "data" / "taco"
