"""The project in folders that git or DVC do not like: no repository, another's, another user's, odd names."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stages.tracking import provenance


@pytest.fixture
def git(tmp_path, monkeypatch):
    """Runs git in a folder under a name of its own, with a configuration of nobody."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    for name in ("GIT_CONFIG_GLOBAL", "GIT_DIR", "SUDO_UID"):
        monkeypatch.delenv(name, raising=False)

    def run(folder: Path, *arguments: str) -> str:
        who = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
        return subprocess.run(
            ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    return run


def committed(git, top: Path, project: Path) -> str:
    """The commit of a repository in `top` that holds dvc.yaml of `project`."""
    project.mkdir(parents=True, exist_ok=True)
    (project / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    git(top, "init", "--quiet")
    git(top, "add", str(project / "dvc.yaml"))
    git(top, "commit", "--quiet", "--message", "start")
    return git(top, "rev-parse", "HEAD")


@pytest.mark.parametrize("inside", ["", "vision/study"])
def test_the_commit_of_a_repository_that_holds_the_project(inside, git, tmp_path):
    project = tmp_path / "top" / inside
    commit = committed(git, tmp_path / "top", project)
    assert provenance.commit(project) == commit and provenance.checkout_warnings(project) == []
    (project / "dvc.yaml").write_text("stages: {a: {cmd: b}}\n", encoding="utf-8")
    assert provenance.commit(project) == f"{commit}+changes"


@pytest.mark.parametrize("inside", ["", "vision/study"])
def test_what_dvc_records_of_its_stages_is_no_change(inside, git, tmp_path):
    top, project = tmp_path / "top", tmp_path / "top" / inside
    committed(git, top, project)
    (project / "stages").mkdir()
    locks = [project / "dvc.lock", project / "stages" / "dvc.lock"]
    for lock in locks:
        lock.write_text("schema: '2.0'\n", encoding="utf-8")
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "locks")
    for lock in locks:
        lock.write_text("schema: '2.0'\nstages: {}\n", encoding="utf-8")
    assert provenance.commit(project) == git(top, "rev-parse", "HEAD")
    (project / "stages" / "lock.py").touch()
    git(top, "add", str(project / "stages" / "lock.py"))
    assert provenance.commit(project).endswith("+changes")


def test_without_a_repository_the_commit_is_unknown(git, tmp_path):
    assert provenance.commit(tmp_path) == "unknown"
    assert provenance.checkout_warnings(tmp_path) == [provenance.WITHOUT_GIT]


def test_a_repository_without_a_commit(git, tmp_path):
    git(tmp_path, "init", "--quiet")
    assert provenance.commit(tmp_path) == "unknown" and provenance.look(tmp_path).tracked


def test_the_commit_of_a_home_directory_is_not_the_projects(git, tmp_path):
    committed(git, tmp_path / "top", tmp_path / "top" / "dotfiles")
    unpacked = tmp_path / "top" / "unpacked"
    unpacked.mkdir()
    (unpacked / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    assert provenance.commit(unpacked) == "unknown"
    assert provenance.checkout_warnings(unpacked) == [provenance.WITHOUT_GIT]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_the_repository_of_another_user_until_the_command_is_typed(git, tmp_path):
    folder = tmp_path / "my clone"
    commit = committed(git, folder, folder)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 12345, 12345)
    assert provenance.commit(folder) == "unknown"
    [line] = provenance.checkout_warnings(folder)
    assert "another user owns this folder" in line and "dvc exp" in line
    command = line.partition("until you type: ")[2]
    assert (
        command.startswith("git config --global --add safe.directory ") and str(folder) in command
    )
    subprocess.run(command, shell=True, cwd="/", check=True)
    assert provenance.commit(folder) == commit and provenance.checkout_warnings(folder) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my clone", ""),
        ("a'b,c;d&e@f=g(h)[i]", ""),
        ("my clone ü", "with ü in the path, dvc exp run --queue and --temp"),
        ("a#b?c%41", "with # % ? in the path, dvc exp run --queue"),
        ("a{b", "DVC fails in a folder with { or }"),
    ],
)
def test_names_of_folders_that_dvc_cannot_work_in(name, said, git, tmp_path):
    folder = tmp_path / name
    committed(git, folder, folder)
    lines = provenance.checkout_warnings(folder)
    assert (
        len(lines) == bool(said)
        and said in "".join(lines)
        and all(str(folder) in line for line in lines)
    )


def test_a_project_without_git_works_and_with_git_it_works_again(project):
    """As unpacked from a zip: DVC runs, and the command that is printed makes experiments possible."""
    shutil.rmtree(project.folder / ".git")
    assert "is not a git repository" in project.run("dvc", "status", check=False).stdout
    done = project.run("python", "-m", "stages.set_up")
    assert done.stdout == f"set_up: {provenance.WITHOUT_GIT}\n"
    output = project.run("dvc", "repro", "plan").stdout
    assert "Running stage 'plan'" in output and f"plan: {provenance.WITHOUT_GIT}\n" in output
    # As in make, which has said it.
    assert (
        provenance.WITHOUT_GIT
        not in project.run("python", "-m", "stages.plan", MAKELEVEL="1").stdout
    )
    assert "Only supported for Git" in project.run("dvc", "exp", "run", "plan", check=False).stdout

    command = provenance.WITHOUT_GIT.rpartition("need one: ")[2].replace(
        "make set-up", "python -m stages.set_up"
    )
    output = project.run("bash", "-c", command).stdout
    assert "core.no_scm is removed" in output and "detection-matrix@localhost" in output
    assert "Ran experiment(s)" in project.run("dvc", "exp", "run", "--force", "plan").stdout
    assert project.run("python", "-m", "stages.set_up").stdout == ""
