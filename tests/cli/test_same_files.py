"""A file that a command writes to is named for nothing else, whatever its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click.testing
import pytest

from iterable_destination.cli.main import command_line
from iterable_destination.cli.same_files import find_same_files

LINE = '{"type":"track","event":"A","userId":"u-1"}\n'


def test_different_files_are_fine(tmp_path: Path) -> None:
    names = {name: str(tmp_path / name) for name in ("dead_letters", "checkpoint", "outbox")}
    assert find_same_files(["-", str(tmp_path / "a"), str(tmp_path / "a")], **names) is None
    same = str(tmp_path / "both")
    assert find_same_files(settings=same, mappings=same) is None  # they are only read


@pytest.mark.parametrize("end", ["", ".lock", ".tmp"])
def test_files_beside_a_checkpoint_count(end: str, tmp_path: Path) -> None:
    path = str(tmp_path / "done")
    told = find_same_files(dead_letters=path + end, checkpoint=path)
    assert told == f"{path}{end}: is the file of --checkpoint and of --dead-letters"


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal", "-deliverer"])
def test_files_beside_an_outbox_count(end: str, tmp_path: Path) -> None:
    path = str(tmp_path / "box")
    assert find_same_files(dead_letters=path + end, outbox=path) is not None
    assert find_same_files(dead_letters=path + end, drained=path) is not None


@pytest.mark.parametrize("kind", ["same name", "other name", "symbolic link", "hard link"])
def test_two_names_can_be_of_one_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text(LINE)
    (tmp_path / "folder").mkdir()
    other = tmp_path / "folder" / ".." / "events"
    if kind == "same name":
        other = path
    elif kind == "symbolic link":
        other = tmp_path / "link"
        other.symlink_to(path)
    elif kind == "hard link":
        other = tmp_path / "link"
        other.hardlink_to(path)
    told = find_same_files([str(path)], dead_letters=str(other))
    assert told == f"{other}: is the file of --dead-letters and of FILE"


def test_a_file_that_is_not_there_yet_has_one_real_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "new")
    told = find_same_files(dead_letters=str(tmp_path / "new"), checkpoint=str(tmp_path / "link"))
    assert told is not None


#: Commands that would write to the file of their rate limits.
OVERWRITING = (
    ("send", "a", "--checkpoint", "limits"),
    ("drain", "a", "--dead-letters", "limits"),
    ("serve", "--outbox", "limits"),
    ("source", "send", "a", "--dead-letters", "limits"),
    ("source", "serve", "--outbox", "./limits"),
)


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "a", "--dead-letters", "a"),
        ("send", "a", "--dead-letters", "b", "--checkpoint", "b"),
        ("send", "a", "--checkpoint", "a"),
        ("send", ".", "--checkpoint", "a"),
        ("send", "*", "--dead-letters", "a"),
        ("send", "a", "--settings", "b", "--dead-letters", "b"),
        ("drain", "a", "--dead-letters", "a"),
        ("serve", "--outbox", "b", "--dead-letters", "b"),
        ("source", "send", "a", "--dead-letters", "a"),
        ("source", "serve", "--outbox", "b", "--dead-letters", "b"),
        ("source", "send", "a", "--options", "b", "--checkpoint", "b"),
        *((*command, "--rate-limits", "limits") for command in OVERWRITING),
    ],
)
def test_every_command_refuses_it_and_touches_nothing(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ITERABLE_API_KEY", "any-key")
    Path("a").write_text(LINE)
    Path("limits").write_text("{}")
    result = click.testing.CliRunner().invoke(command_line, arguments)
    assert result.exit_code == 2
    assert ": is the file of " in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "limits"]
    assert (Path("a").read_text(), Path("limits").read_text()) == (LINE, "{}")


def test_standard_input_and_output_are_files_too(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(LINE)
    for redirection in (f"< {path} >> {path}", f"{path} >> {path}"):
        result = subprocess.run(
            ["/bin/sh", "-c", f"{sys.executable} -m iterable_destination translate {redirection}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 2
        assert "is the file of FILE and of standard output" in result.stderr
    assert path.read_text() == LINE
