"""Names from strangers: of cells, of weights, of images. No shell reads them, and none leads out of its folder."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import weights_server
import yaml
from conftest import ROOT, Project
from finished import FPN, only_line

from stages.pretrained import fetch
from stages.study.params import Weights

pytest_plugins = "finished"

NAMES = [
    "x; touch ran",
    "$(touch ran)",
    "`touch ran`",
    "x' ; touch ran; '",
    'x" ; touch ran; "',
    "x\ntouch ran",
    "x && touch ran",
    "x | touch ran",
    "--help",
    "*",
    "a b",
]
CLIMBING = ["../../out", "..", "/tmp/out", "x/../../../out"]
REFUSED = "a name has letters, digits, '_' and '-' only"


def hostile(study: Project, names: list[str] = NAMES) -> None:
    """Every name is a row of its own."""

    def change(values):
        row = values["cells"][FPN]
        values["cells"].update(
            {name: {**row, "epochs": 3 + place} for place, name in enumerate(names)}
        )

    study.set_params(change)


def ran(study: Project) -> list[Path]:
    """What a shell that read a name would have left: a file of no suffix, unlike our own."""
    paths = study.folder.parent.rglob("ran*")
    return [path for path in paths if ".dvc" not in path.parts and not path.suffix]


# A train stage alone starts where stage compose, which such a row never passes, has written the cell's file.
UNWRITTEN = "data/cells/x; touch ran.py"


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (["dvc", "repro"], REFUSED),
        (["dvc", "repro", "--keep-going"], REFUSED),
        (["dvc", "exp", "run", "-S", "seed=1"], REFUSED),
        (["dvc", "repro", "--single-item", "stages/dvc.yaml:train"], UNWRITTEN),
        (
            ["dvc", "repro", "--single-item", "--keep-going", "--glob", "stages/dvc.yaml:train@*"],
            "train@x; touch ran",
        ),
    ],
)
def test_cell_names_reach_no_shell(command, refusal, study: Project):
    hostile(study)
    done = study.run(*command, check=False)
    assert done.returncode and not ran(study), done.stdout[-3000:]
    assert refusal in done.stdout
    assert "Traceback" not in done.stdout and "epoch 1/" not in done.stdout


@pytest.mark.slow
def test_cell_names_one_by_one(study: Project):
    """A single stage is run without the stage plan, which would refuse the study."""
    hostile(study)
    for place, name in enumerate(NAMES):
        stage = ("train", "predict", "analyse")[place % 3]
        done = study.run(
            "dvc", "repro", "--single-item", f"stages/dvc.yaml:{stage}@{name}", check=False
        )
        assert done.returncode and not ran(study), name
        assert "Traceback" not in done.stdout and "failed to reproduce" in done.stdout


@pytest.mark.parametrize("name", [*CLIMBING, "x@y"])
@pytest.mark.parametrize(
    "command",
    [
        "dvc repro",
        *(
            pytest.param(command, marks=pytest.mark.slow)
            for command in ("dvc exp run -S seed=1", "make cells")
        ),
    ],
)
def test_cell_names_that_climb_out(name, command, study: Project, make):
    """Refused before DVC removes what it takes for the cell's old results."""
    hostile(study, [name])
    outside = study.folder.parent / "out"
    outside.mkdir()
    victims = [outside / file for file in ("config.py", "best.pth", "run.json", "val.json")]
    for path in victims:
        path.write_text("mine", encoding="utf-8")
    before = results(study)
    done = study.run(*command.split(), check=False)
    assert done.returncode and "Traceback" not in done.stdout
    assert all(path.read_text(encoding="utf-8") == "mine" for path in victims)
    assert results(study) == before


def results(study: Project) -> set[Path]:
    return {
        path
        for folder in ("models", "metrics", "predictions", "reports", "data/prepared", "stages")
        for path in (study.folder / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_make_hands_no_cell_name_to_a_shell(study: Project, make):
    hostile(study)
    done = make("cells", check=False)
    assert done.returncode and not ran(study)
    assert "a name has letters" in only_line(done.stdout, "plan: cells.")


def test_no_command_of_a_stage_has_a_parameter_in_it():
    for name in ("dvc.yaml", "stages/dvc.yaml"):
        stages = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))["stages"]
        assert stages, f"{name} has no stage"
        for stage in stages.values():
            assert "${" not in stage.get("do", stage)["cmd"]


@pytest.mark.parametrize(
    "name",
    [
        "..%2F..%2Fout.pth",
        "%2e%2e/%2e%2e/out.pth",
        "a/../../../out.pth",
        "..",
        "%2Ftmp%2Fout.pth",
        "..%5C..%5Cout.pth",
        "%00",
    ],
)
def test_weights_file_names_stay_in_their_folder(name, tmp_path, serving):
    folder = tmp_path / "deep" / "data" / "weights" / "raw"
    path, _ = fetch.fetch(
        "r50", Weights(f"{serving.address}/{name}", "MIT", weights_server.SHA256), folder
    )
    assert path.parent == folder and path.is_file()
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]


@pytest.fixture
def serving() -> Iterator[weights_server.Server]:
    server = weights_server.Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_image_names_that_climb_out(study: Project, tmp_path):
    """Three ways out of a set and two links: the images are left out, and the report says why."""
    secret, images = tmp_path / "secret.png", tmp_path / "set"
    images.mkdir()
    source = next((study.folder / "data/prepared/images").rglob("*.[pj][np]g"))
    secret.write_bytes(source.read_bytes())
    (images / "good.png").write_bytes(source.read_bytes())
    (images / "link.png").symlink_to(secret)
    (images / "linked").symlink_to(tmp_path)
    names = [
        "good.png",
        "../secret.png",
        "a/../../secret.png",
        str(secret),
        "link.png",
        "linked/secret.png",
    ]
    size = {"width": 256, "height": 256}
    (images / "train.json").write_text(
        json.dumps(
            {
                "images": [
                    {"id": number, "file_name": name, **size}
                    for number, name in enumerate(names, 1)
                ],
                "annotations": [
                    {
                        "id": number,
                        "image_id": number,
                        "category_id": 1,
                        "bbox": [1, 1, 50, 50],
                        "area": 2500,
                        "iscrowd": 0,
                    }
                    for number in range(1, len(names) + 1)
                ],
                "categories": [{"id": 1, "name": "a"}],
            }
        ),
        encoding="utf-8",
    )
    done = study.run("python", "-m", "stages.data_check", str(images), check=False)
    assert "Traceback" not in done.stdout
    changes = (study.folder / "data/checked/changes.csv").read_text(encoding="utf-8")
    assert [
        changes.count(code) for code in ("path_climbs", "path_absolute", "path_link_outside")
    ] == [2, 1, 2]


def listening(process: psutil.Process) -> set[str]:
    """The addresses at which a process and its children wait for somebody."""
    try:
        family = {process.pid, *(one.pid for one in process.children(recursive=True))}
    except psutil.NoSuchProcess:
        return set()
    return {
        one.laddr.ip
        for one in psutil.net_connections("inet")
        if one.pid in family and one.status == psutil.CONN_LISTEN
    }


def test_mlflows_page_listens_to_this_machine_alone(study: Project, make):
    """make ui's own command, at a free port."""
    command = shlex.split(make("--dry-run", "ui").stdout.splitlines()[-1])
    assert command[:2] == ["mlflow", "ui"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command[command.index("--port") + 1] = str(port)
    server = psutil.Popen(
        command,
        cwd=study.folder,
        env=study.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline, heard = time.monotonic() + 120, set()
        while not heard and time.monotonic() < deadline:
            heard = listening(server)
            time.sleep(0.1)
        assert heard == {"127.0.0.1"}
    finally:
        for one in [*server.children(recursive=True), server]:
            one.kill()
        server.wait()


@pytest.mark.slow
def test_several_processes_listen_to_this_machine_alone(study: Project):
    """By itself torch opens a port to the network, and unpickles what it is sent there."""
    study.set_params(lambda values: values["scales"]["miniature"].update(processes=2))
    training = psutil.Popen(["python", "-m", "stages.train", FPN], cwd=study.folder, env=study.env)
    heard = set()
    while training.poll() is None:
        heard |= listening(training)
        time.sleep(0.05)
    assert training.wait() == 0 and heard == {"127.0.0.1"}
