"""The pytest plugin, and what importing it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import iterable_destination
from iterable_destination import testing

ROOT = Path(iterable_destination.__file__).parents[1]

IMPORT_IT = """
import sys, pytest, iterable_destination
before = set(sys.modules)
import iterable_destination.testing.plugin
print(*sorted(set(sys.modules) - before))
"""

USE_IT = """
import urllib.request

def test_it(local_iterable):
    assert local_iterable.project.project_type == "hybrid"
    assert local_iterable.project.requests == []
    request = urllib.request.Request(
        local_iterable.url + "/api/webhooks", headers={"Api-Key": local_iterable.api_key}
    )
    with urllib.request.urlopen(request) as response:
        assert response.status == 200

test_again = test_it
"""


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_importing_the_plugin_imports_nothing_else(tmp_path: Path) -> None:
    done = python("-c", IMPORT_IT, cwd=tmp_path)
    assert (done.stdout.split(), done.stderr) == (
        ["iterable_destination.testing", "iterable_destination.testing.plugin"],
        "",
    )


def test_the_fixture_is_a_new_running_iterable_for_every_test(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(USE_IT)
    plugin = "iterable_destination.testing.plugin"
    done = python("-m", "pytest", "-q", "-W", "error", "-p", plugin, cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1][:8]) == (0, "2 passed"), done.stdout


def test_the_package_gives_what_it_names() -> None:
    for name in testing.__all__:
        assert getattr(testing, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = testing.nothing  # type: ignore[attr-defined]
