"""The suite as a zip file is complete, and always the same."""

from __future__ import annotations

import hashlib
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from iterable_destination.conformance import cases
from tests.support.conformance_files import ROOT

SUITE = ROOT / "conformance"
VERSION = (SUITE / "VERSION").read_text("ascii").strip()
NAME = f"iterable-destination-conformance-{VERSION}"


def build(suite: Path, folder: Path) -> Path:
    path: Path = runpy.run_path(str(suite / "archive.py"))["write_archive"](folder)
    return path


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(SUITE, tmp_path / "copy"))
    for path in copy.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o755)
    here, there = build(SUITE, tmp_path / "a"), build(copy, tmp_path / "b")
    assert here.name == there.name == f"{NAME}.zip"
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (here, there)]
    assert digests[0] == digests[1]


def test_the_archive_has_the_suite_and_nothing_else(tmp_path: Path) -> None:
    with ZipFile(build(SUITE, tmp_path)) as archive:
        names = archive.namelist()
        readme = archive.read(f"{NAME}/README.md")
    assert names == sorted(names)
    expected = {f"{NAME}/{case.system}/{case.id}.json" for case in cases()}
    assert expected < set(names)
    others = {name.removeprefix(f"{NAME}/") for name in set(names) - expected}
    assert {name for name in others if not name.startswith("examples/")} == {
        *("README.md", "VERSION", "case.schema.json", "presets.json"),
        *("requests.schema.json", "rules.json"),
    }
    assert readme == (SUITE / "README.md").read_bytes()


def test_it_is_written_by_a_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SUITE / "archive.py"), str(tmp_path / "dist")],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == f"{tmp_path / 'dist' / NAME}.zip\n"
