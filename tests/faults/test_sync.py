"""`make sync` sends exactly what a tracker lacks, once: a real cell, real stores, a real server that comes and goes."""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import CELLS, Project, make_project
from mlflow_server import Relay, empty, free_port, server  # noqa: F401  fixtures

import stages.sync
from stages.program import InputError
from stages.study import params
from stages.tracking import cells, store

R50 = next(iter(CELLS))
RECORD = Path("metrics/r50/fpn") / R50


@pytest.fixture(scope="module")
def untracked(tmp_path_factory) -> tuple[Project, str]:
    """A cell trained and evaluated by DVC while nobody answers at MLFLOW_TRACKING_URI, and what that printed."""
    project = make_project(tmp_path_factory.mktemp("sync") / "clone")
    project.set_params(lambda values: values.update(cells={R50: CELLS[R50]}))
    # Whoever waits for a dead tracker here waits for a second.
    sending = project.folder / "stages/tracking/sending.py"
    sending.write_text(sending.read_text(encoding="utf-8").replace("NEVER_S = 15.0", "NEVER_S = 1.0"), encoding="utf-8")
    done = project.run("dvc", "repro", f"stages/dvc.yaml:evaluate@{R50}",
                       MLFLOW_TRACKING_URI=f"http://somebody:secret@127.0.0.1:{free_port()}")
    return project, done.stdout


@pytest.fixture
def here(untracked, empty, tmp_path, monkeypatch) -> Path:  # noqa: F811
    """A copy of that clone to work in, in this process, and MLflow's database with nothing in it."""
    folder = tmp_path / "clone"
    subprocess.run(["cp", "-a", untracked[0].folder, folder], check=True)
    shutil.copy(empty, folder)
    enter(folder, monkeypatch)
    return folder


@pytest.fixture(scope="module")
def complete(untracked, empty, tmp_path_factory) -> Path:  # noqa: F811
    """Another copy, after one sync."""
    folder = tmp_path_factory.mktemp("complete") / "clone"
    subprocess.run(["cp", "-a", untracked[0].folder, folder], check=True)
    shutil.copy(empty, folder)
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        stages.sync.main()
    return folder


@pytest.fixture
def synced(complete, tmp_path, monkeypatch) -> Path:
    """A copy of that one, which was therefore moved."""
    folder = tmp_path / "synced"
    subprocess.run(["cp", "-a", complete, folder], check=True)
    enter(folder, monkeypatch)
    return folder


def enter(folder: Path, monkeypatch) -> None:
    load = params.load
    monkeypatch.chdir(folder)
    monkeypatch.setattr(params, "load", lambda: load(folder / "params.yaml"))
    monkeypatch.setattr(store, "home", lambda root=None: folder)
    monkeypatch.setattr(stages.sync, "PAUSES_S", (0.1, 0.1))
    for name in [name for name in os.environ if name.startswith("MLFLOW_TRACKING")]:
        monkeypatch.delenv(name)


def sync(caplog) -> list[str]:
    """The lines that a call prints."""
    caplog.clear()
    with caplog.at_level("INFO"):
        stages.sync.main()
    return [record.getMessage() for record in caplog.records if record.name == "stages.sync"]


def found():
    """Client and the runs of cells on the tracker that is set."""
    client, experiment = store.open_client()
    return client, client.search_runs([experiment])


def history(folder: Path) -> list[dict]:
    with (folder / RECORD / "history.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check_complete(folder: Path) -> str:
    """That there is one run, and all in it is what the files say; gives its id."""
    client, [run] = found()
    record = json.loads((folder / RECORD / "run.json").read_text(encoding="utf-8"))
    assert run.info.run_name == R50 and run.info.status == "FINISHED"
    assert run.data.tags["training_id"] == record["training_id"]
    assert run.data.params["backbone"] == "r50" and run.data.params["lr"] == str(record["lr"])
    assert (run.info.end_time - run.info.start_time) % 1000 == 0
    assert {entry.dataset.name for entry in run.inputs.dataset_inputs} == {"demo-train", "demo-val"}
    rows = history(folder)
    for name in set(rows[0]) - {"step", "epoch"}:
        expected = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        assert sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)
                      ) == expected, name
    scores = json.loads((folder / f"metrics/r50/fpn/{R50}.json").read_text(encoding="utf-8"))
    assert run.data.metrics["test/bbox_mAP_50"] == scores["test"]["bbox_mAP_50"]
    assert run.data.metrics["train_loss"] == record["train_loss"] == scores["train"]["loss"]
    for path, file in (("checkpoint/best.pth", f"models/{R50}/best.pth"), ("run.json", RECORD / "run.json"),
                       ("predictions/test.json", f"predictions/{R50}/test.json"),
                       ("metrics/details.json", RECORD / "details.json")):
        assert Path(client.download_artifacts(run.info.run_id, path)).read_bytes() == (folder / file).read_bytes()
    return run.info.run_id


def test_trained_and_evaluated_without_a_tracker(untracked, here, caplog):
    output = untracked[1]
    lines = [line for line in output.splitlines() if "make sync" in line]
    begins = ("prepare: demo ", f"train: {R50}: MLflow at http://127", f"evaluate: {R50}: MLflow at http://127")
    assert len(lines) == 3 and all(line.startswith(begin) for line, begin in zip(lines, begins)), output
    assert " lacks 45 points (connection refused); " in lines[1] and "secret" not in output
    assert json.loads((here / RECORD / "run.json").read_text(encoding="utf-8"))["run_id"] is None
    lines = sync(caplog)
    assert lines[-2].startswith(f"{R50}: created, ") and lines[-1].endswith(f"sent to sqlite:///{here}/mlflow.db")
    run_id = check_complete(here)
    assert sync(caplog)[-2:] == [f"{R50}: complete", f"0 points, 0 files sent to sqlite:///{here}/mlflow.db"]
    assert check_complete(here) == run_id
    # The checkpoint is on disk once, as if training had sent it.
    assert (here / f"mlruns/detection-matrix/{run_id}/artifacts/checkpoint/best.pth").samefile(
        here / f"models/{R50}/best.pth")


def test_a_new_tracker_gets_the_runs_once(synced, empty, caplog, monkeypatch):  # noqa: F811
    first = check_complete(synced)
    shutil.copy(empty, synced / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{synced}/other.db")
    assert sync(caplog)[-2].startswith(f"{R50}: created, ")
    assert check_complete(synced) != first
    assert sync(caplog)[-2] == f"{R50}: complete"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert sync(caplog)[-2] == f"{R50}: complete" and check_complete(synced) == first


def test_a_fresh_clone_with_the_results_of_dvc(synced, caplog, monkeypatch):
    folder = synced
    for name in ("models", "metrics", "predictions", "data", "mlruns", ".work"):
        shutil.rmtree(folder / name)
    (folder / "mlflow.db").unlink()
    lines = sync(caplog)
    assert lines[-2] == f"1 of 1 cells are not trained here: {R50}" and not found()[1]
    Project(folder).run("dvc", "checkout", check=False)
    assert sync(caplog)[-2].startswith(f"{R50}: created, ")
    check_complete(folder)


def test_exactly_what_is_missing(synced, caplog):
    run_id = check_complete(synced)
    with contextlib.closing(sqlite3.connect("mlflow.db")) as base, base:
        assert base.execute("DELETE FROM metrics WHERE key = 'train/loss' AND step IN (2, 3)").rowcount == 2
        base.execute("DELETE FROM metrics WHERE key = 'test/bbox_mAP'")
        base.execute("DELETE FROM latest_metrics WHERE key = 'test/bbox_mAP'")
        base.execute("DELETE FROM params WHERE key = 'seed'")
        base.execute("UPDATE runs SET status = 'RUNNING'")
    artifacts = synced / f"mlruns/detection-matrix/{run_id}/artifacts"
    (artifacts / "predictions/val.json").unlink()
    (artifacts / "config.py").unlink()
    (artifacts / "config.py").write_text("half of it", encoding="utf-8")
    assert sync(caplog)[-2] == f"{R50}: 3 points, 2 files, 1 param or tag sent"
    assert check_complete(synced) == run_id and sync(caplog)[-2] == f"{R50}: complete"


def test_a_run_that_was_left_running_is_closed(synced, caplog):
    store.open_client()[0].update_run(check_complete(synced), "RUNNING")
    assert sync(caplog)[-2] == f"{R50}: closed"
    check_complete(synced)


def test_a_deleted_run_stays_deleted(synced, caplog):
    run_id = check_complete(synced)
    store.open_client()[0].delete_run(run_id)
    assert f"`mlflow runs restore --run-id {run_id}` undoes that" in sync(caplog)[-2] and not found()[1]
    store.open_client()[0].restore_run(run_id)
    assert sync(caplog)[-2] == f"{R50}: complete"


def type_commands(message: str) -> None:
    """What a message asks for between backticks, as a person types it into a shell in the project's folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in re.findall("`([^`]+)`", message):
        subprocess.run(["bash", "-c", command], env={**environment, "PATH": path}, check=True)


def test_a_deleted_run_is_restored_by_what_sync_says(synced, caplog):
    check_complete(synced)
    store.open_client()[0].delete_run(found()[1][0].info.run_id)
    type_commands(sync(caplog)[-2])
    assert sync(caplog)[-2] == f"{R50}: complete"


@pytest.mark.parametrize("uri", ["", "sqlite:///elsewhere $1.db"])
def test_a_deleted_experiment_is_restored_by_what_sync_says(synced, caplog, monkeypatch, uri):
    if uri:
        shutil.copy("mlflow.db", "elsewhere $1.db")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client, experiment = store.open_client()
    client.delete_experiment(experiment)
    with pytest.raises(InputError, match=r"^the experiment detection-matrix was deleted; `.*; then run make sync again$"
                       ) as caught:
        sync(caplog)
    type_commands(str(caught.value))
    assert sync(caplog)[-2] == f"{R50}: complete"
    check_complete(synced)


def test_evaluation_says_how_to_restore_an_experiment(synced, caplog):
    client, experiment = store.open_client()
    client.delete_experiment(experiment)
    cells.file(R50, params.load().cell(R50))
    [line] = [line for line in caplog.messages if line.startswith(R50)]
    assert f"`mlflow experiments restore --experiment-id {experiment}` brings it back" in line


def older(database: Path) -> list[str]:
    """Takes a database one version of its tables back. MLflow brings one that lacks whole tables up to date without a
    word, so those that go are there again, empty; gives their names."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    def tables() -> set[str]:
        with contextlib.closing(sqlite3.connect(database)) as base:
            return {name for [name] in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    before = tables()
    command.downgrade(_get_alembic_config(f"sqlite:///{database}"), "-1")
    gone = sorted(before - tables())
    with contextlib.closing(sqlite3.connect(database)) as base, base:
        for name in gone:
            base.execute(f"CREATE TABLE {name} (id INTEGER)")
    return gone


def test_a_database_of_an_older_mlflow_is_upgraded_by_what_sync_says(synced, caplog):
    tables = older(synced / "mlflow.db")
    with pytest.raises(InputError, match=r"was written by an older MLflow than [\d.]+; `cp .*; then run make sync again$"
                       ) as caught:
        sync(caplog)
    with contextlib.closing(sqlite3.connect("mlflow.db")) as base, base:
        for name in tables:
            base.execute(f"DROP TABLE {name}")
    before = (synced / "mlflow.db").read_bytes()
    type_commands(str(caught.value))
    assert (synced / "mlflow.db.old").read_bytes() == before != (synced / "mlflow.db").read_bytes()
    assert sync(caplog)[-2] == f"{R50}: complete"


def test_a_database_of_a_newer_mlflow_is_moved_away(synced, caplog):
    with contextlib.closing(sqlite3.connect("mlflow.db")) as base, base:
        base.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(InputError, match=rf"^the database sqlite:///{synced}/mlflow.db was written by a newer MLflow"):
        sync(caplog)
    (synced / "mlflow.db").rename(synced / "newer.db")
    assert sync(caplog)[-2].startswith(f"{R50}: created, ")


def symbolic(folder: Path) -> tuple[Path, Path]:
    """Has DVC link its results into its cache; gives the checkpoint and the file in the cache that it leads to."""
    project = Project(folder)
    project.run("dvc", "config", "--local", "cache.type", "symlink")
    project.run("dvc", "checkout", "--relink", f"stages/dvc.yaml:train@{R50}")
    checkpoint = folder / f"models/{R50}/best.pth"
    assert checkpoint.is_symlink()
    return checkpoint, checkpoint.resolve()


@pytest.mark.parametrize("same_disk", [True, False])
def test_a_checkpoint_that_is_a_link_into_dvcs_cache(here, caplog, monkeypatch, same_disk):
    checkpoint, cached = symbolic(here)
    if not same_disk:
        monkeypatch.setattr(os, "link", other_disk)
    content = cached.read_bytes()
    sync(caplog)
    client, [run] = found()
    stored = here / f"mlruns/detection-matrix/{run.info.run_id}/artifacts/checkpoint/best.pth"
    assert not stored.is_symlink() and stored.samefile(cached) is same_disk
    cached.unlink()
    downloaded = client.download_artifacts(run.info.run_id, "checkpoint/best.pth", here)
    assert Path(downloaded).read_bytes() == content
    assert sync(caplog)[-2] == f"{R50}: complete"


def other_disk(*_: object, **__: object) -> None:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


@pytest.mark.parametrize("same_disk", [True, False])
def test_a_stored_link_into_dvcs_cache_becomes_the_file(synced, caplog, monkeypatch, same_disk):
    """As earlier versions left it."""
    checkpoint, cached = symbolic(synced)
    run_id = found()[1][0].info.run_id
    stored = synced / f"mlruns/detection-matrix/{run_id}/artifacts/checkpoint/best.pth"
    stored.unlink()
    stored.symlink_to(cached)
    content = cached.read_bytes()
    if not same_disk:
        monkeypatch.setattr(os, "link", other_disk)
    assert sync(caplog)[-2] == f"{R50}: 1 file sent"
    assert not stored.is_symlink() and stored.read_bytes() == cached.read_bytes() == content
    check_complete(synced)


def test_a_checkpoint_that_is_nowhere_is_named(synced, caplog):
    """What `dvc gc` leaves of links into the cache, here and in MLflow."""
    checkpoint, cached = symbolic(synced)
    run_id = found()[1][0].info.run_id
    stored = synced / f"mlruns/detection-matrix/{run_id}/artifacts/checkpoint/best.pth"
    stored.unlink()
    stored.symlink_to(cached)
    kept = cached.rename(synced / "kept")
    line = sync(caplog)[-2]
    assert line.startswith(f"{R50}: complete, but checkpoint/best.pth is neither there nor here; `dvc checkout` ")
    kept.rename(cached)
    assert sync(caplog)[-2] == f"{R50}: 1 file sent"
    check_complete(synced)


def test_a_later_evaluation_is_what_mlflow_shows(synced, caplog):
    for path, change in ((f"metrics/r50/fpn/{R50}.json", lambda values: values["test"].update(bbox_mAP_50=0.75)), (
            RECORD / "details.json", lambda values: values["test"]["metrics"].update(bbox_mAP_50=0.75))):
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        change(values)
        # A new file: the old one is DVC's too.
        Path(path).unlink()
        Path(path).write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert sync(caplog)[-2] == f"{R50}: 1 point, 2 files sent"
    check_complete(synced)
    assert sync(caplog)[-2] == f"{R50}: complete"


def test_two_syncs_at_once_make_one_run(here):
    store.open_client()
    both = [start(here) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted("created" in output for output in outputs) == [False, True], outputs
    check_complete(here)


@pytest.mark.parametrize("content", ["", "{}", '{"training_id": "../../up"}', "[1]"])
def test_a_damaged_record_is_named_and_left_out(here, caplog, content):
    (here / RECORD / "run.json").unlink()
    (here / RECORD / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=rf"^{R50}: not sent; dvc checkout --force restores the files"):
        sync(caplog)
    assert f"{RECORD}/run.json: not a record of a training" in caplog.text and not found()[1]


def test_a_history_of_which_half_is_there(here, caplog):
    path = here / RECORD / "history.csv"
    half = path.read_text(encoding="utf-8")[:-20]
    path.unlink()
    path.write_text(half, encoding="utf-8")
    with pytest.raises(InputError, match=f"^{R50}: not sent"):
        sync(caplog)


def test_a_tracker_that_is_down_is_one_line(here, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(InputError, match=r"^MLflow at http://127.0.0.1:\d+ fails \(.*run make sync again"):
        sync(caplog)


@pytest.fixture
def relay(server, here, monkeypatch):  # noqa: F811
    relay = Relay(server)
    relay.up()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", relay.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", here.parent.name)
    yield relay
    relay.down()


def start(folder: Path, **env: str) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")}
    return subprocess.Popen([sys.executable, "-m", "stages.sync"], cwd=folder, text=True, stdout=subprocess.PIPE,
                            env={**environment, **env}, stderr=subprocess.STDOUT, start_new_session=True)


def test_a_sync_that_is_killed_while_it_uploads(here, relay, caplog):
    relay.delay = 0.15
    process = start(here, MLFLOW_TRACKING_URI=relay.uri)
    uploads = relay.server.folder / "artifacts"
    end = time.monotonic() + 120
    while not list(uploads.rglob("config.py")):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    relay.delay = 0
    [line] = [line for line in sync(caplog) if line.startswith(R50)]
    assert line.endswith("files sent") and "created" not in line
    check_complete(here)
    assert f"{R50}: complete" in sync(caplog)


def test_two_machines_sync_to_one_server_at_once(here, relay, tmp_path):
    """Two checkouts, so no lock that both know."""
    other = tmp_path / "other"
    subprocess.run(["cp", "-a", here, other], check=True)
    store.open_client()
    relay.delay = 0.1
    both = [start(folder, MLFLOW_TRACKING_URI=relay.uri) for folder in (here, other)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    check_complete(here)


def test_evaluate_sends_what_training_could_not(here, relay, caplog):
    """The tracker is lost through training and there for evaluation: nothing is left for make sync."""
    cells.file(R50, params.load().cell(R50))
    check_complete(here)
    assert f"{R50}: complete" in sync(caplog)
