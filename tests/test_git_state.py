"""Of which commit something is: what is the commit's, what is not, and why git cannot tell."""

import json
import subprocess
from pathlib import Path

import pytest

from harness import git_state as module
from harness.git_state import git_json, git_state


def git(folder, *words):
    """Run git in a folder, as somebody with a name."""
    name = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *name, *words], check=True, capture_output=True)


@pytest.fixture
def repo(tmp_path):
    """A repository with a suite, its data, a conftest, an adapter and an unrelated file, all in one commit."""
    root = tmp_path / "repo"
    for name in ("suites/test_a.py", "suites/data/a.jsonl", "conftest.py", "out/mine/adapter_config.json", "notes.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}")
    (root / ".gitignore").write_text("build/\n")
    git(root.parent, "init", "--quiet", str(root))
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "first")
    return root


def of(root):
    """What is said of the suite in it."""
    return git_state([root / "suites" / "test_a.py"], [root / "suites"])


def test_a_clean_checkout_is_its_commit(repo):
    """The whole hash, and nothing differs."""
    state = of(repo)
    assert (len(state.commit), state.dirty, state.differs, state.unknown) == (40, False, (), "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("suites/data/a.jsonl", ("suites/data/a.jsonl (changed)",)),
        ("suites/test_a.py", ("suites/test_a.py (changed)",)),
        ("conftest.py", ("conftest.py (changed)",)),
        ("notes.md", ()),
    ],
)
def test_a_changed_file_makes_it_dirty_and_is_named_where_suites_rest_on_it(repo, name, said):
    """Data, suite and configuration at the top are named; a file that no suite reads only makes the tree dirty."""
    (repo / name).write_text("changed")
    state = of(repo)
    assert (state.dirty, state.differs) == (True, said)


def test_files_that_are_not_the_commits_are_named(repo):
    """A suite that is not tracked, even an ignored one, is of no commit; compiled files are nobody's business."""
    (repo / "suites" / "test_b.py").write_text("")
    (repo / "suites" / "__pycache__").mkdir()
    (repo / "suites" / "__pycache__" / "test_b.pyc").write_text("")
    assert of(repo).differs == ("suites/test_b.py (not tracked)",)
    ignored = repo / "build" / "test_c.py"
    ignored.parent.mkdir()
    ignored.write_text("")
    assert git_state([ignored], [ignored.parent]).differs == ("build/test_c.py (not tracked)",)


def test_a_long_list_is_cut_and_counted(repo):
    """Fifty names at most, and how many more there are."""
    for number in range(60):
        (repo / "suites" / f"{number}.jsonl").write_text("")
    state = of(repo)
    assert (len(state.differs), state.more) == (50, 10)


def test_an_adapter_is_asked_about_by_its_files(repo, tmp_path):
    """By name: one of the commit, one that was trained since, and one outside of any repository."""
    (repo / "build" / "new").mkdir(parents=True)
    (repo / "build" / "new" / "adapter_model.safetensors").write_text("")
    (tmp_path / "far").mkdir()
    places = [("mine", repo / "out" / "mine"), ("new", repo / "build" / "new"), ("far", tmp_path / "far")]
    told = git_json([repo / "suites" / "test_a.py"], places)
    assert told["suites"]["commit"] == told["adapters"]["mine"]["commit"]
    assert told["adapters"]["mine"]["differs"] == []
    assert told["adapters"]["new"]["differs"] == ["build/new/adapter_model.safetensors (not tracked)"]
    assert told["adapters"]["far"]["unknown"] == "not in a git repository"
    assert json.dumps(told)


def test_where_git_cannot_tell_it_says_why(repo, tmp_path, monkeypatch):
    """No repository, no commit, no git: never an error, never a guess."""
    assert git_state([], [tmp_path]).unknown == "not in a git repository"
    assert git_state([], []).unknown == "no files to ask about"
    git(tmp_path, "init", "--quiet", "empty")
    assert git_state([], [tmp_path / "empty"]).unknown == "the repository has no commit"
    monkeypatch.setenv("PATH", str(tmp_path))
    state = of(repo)
    assert (state.commit, state.dirty, state.unknown) == (None, None, "git is not installed")


def test_a_git_that_hangs_is_not_waited_for(repo, monkeypatch):
    """Whatever keeps it, such as a lock on a far disk."""
    monkeypatch.setattr(module, "_PATIENCE_S", 0.0)
    assert of(repo).unknown == "git gave no answer"


def test_nothing_of_a_hook_or_of_the_repository_gets_in(repo, tmp_path, monkeypatch):
    """A hook's variables name another repository; a repository's configuration names a program. Neither is followed."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    config = repo / ".git" / "config"
    config.write_text(f"{config.read_text()}[core]\n\tfsmonitor = {program}\n")
    assert of(repo).unknown == ""
    assert not ran.exists()


def test_only_what_is_listed_is_told(repo):
    """No remote, branch, author or folder of this machine."""
    git(repo, "remote", "add", "origin", "https://user:password@example.org/secret.git")
    (repo / "suites" / "test_a.py").write_text("changed")
    text = json.dumps(git_json([repo / "suites" / "test_a.py"], []))
    assert json.loads(text)["suites"].keys() == {"commit", "dirty", "differs", "more", "unknown"}
    assert not any(word in text for word in ("example.org", "password", str(Path(repo).parent), "master", "main"))
