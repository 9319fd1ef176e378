"""Everything that must hold of the project: ``nox`` checks all of it, ``nox -s NAME`` one part.

The oldest Python found runs the whole test suite; every other one found runs what a developer
runs by default. A Python that is missing is skipped.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
#: The packages whose own tests cover each of their branches, by directory.
CORE = ("model", "mapping", "source", "delivery/engine")
#: Asks the page, and what it loads.
ASK_PAGE = """
from urllib.request import urlopen
from iterable_destination.playground.app import playground_app
from iterable_destination.playground.server import serve
from iterable_destination.testing import LocalIterable

with LocalIterable() as iterable, serve(playground_app(iterable), "127.0.0.1", 0) as url:
    page = urlopen(url).read().decode()
    for path in ("playground.css", "event.js", "vendor/jsoneditor.js", "vendor/pico.css"):
        assert urlopen(f"{url}/static/{path}").read(), path
    assert "Send" in page
"""
#: Asks the cases of the wheel.
ASK_CASES = """
from iterable_destination.conformance import answer, cases, run

results = run(answer)
assert len(results) == len(cases()) > 600
assert not [result for result in results if result.differences]
"""
ONE_EVENT = '{"type": "track", "event": "Ci Passed", "userId": "u1"}\n'


def find_pythons() -> list[str]:
    """Return the supported versions that this machine has, and put pyenv's first on the PATH.

    A shim of pyenv exists for each version that is installed, but fails for one that is not
    selected. The programs themselves always work.
    """
    root = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    versions = Path(root) / "versions"
    found: list[str] = []
    for version in SUPPORTED:
        name = f"python{version}"
        folders = sorted(path.parent for path in versions.glob(f"*/bin/{name}"))
        if folders:
            os.environ["PATH"] = f"{folders[-1]}{os.pathsep}{os.environ['PATH']}"
        if folders or shutil.which(name) is not None:
            found.append(version)
    running = ".".join(map(str, sys.version_info[:2]))
    return found or [running]  # it has another name, such as python3


FULL = find_pythons()[0]

nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False


def dependencies(group: str) -> tuple[str, ...]:
    """Return what is to be installed for a group of the project's dependency groups."""
    return nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), group)


@nox.session(python=FULL)
def tests(session: nox.Session) -> None:
    """Run every test, the slow ones too, with many examples for each property."""
    session.install("-e", ".[test]", *dependencies("examples"))
    heavy = ("--hypothesis-profile", "heavy", "-m", "")
    session.run("python", "-m", "pytest", *heavy, *session.posargs)


@nox.session(python=[version for version in SUPPORTED if version != FULL])
def tests_light(session: nox.Session) -> None:
    """Run the tests that run by default."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python=FULL)
def core_coverage(session: nox.Session) -> None:
    """Ask that the pure packages' own tests cover each of their branches."""
    session.install("-e", ".[test]")
    # In one process, since coverage does not see pytest-xdist's.
    run = ("-m", "coverage", "run", "-m", "pytest", "-q", "-n", "0")
    session.run("python", *run, "tests/test_errors.py", *(f"tests/{name}" for name in CORE))
    names = [*(f"iterable_destination/{name}/*" for name in CORE), "iterable_destination/errors.py"]
    report = ("-m", "coverage", "report", "--fail-under=100")
    session.run("python", *report, f"--include={','.join(names)}")


@nox.session(python=FULL)
def spark(session: nox.Session) -> None:
    """Run the tests with Spark, which need Java: kills of executors, and a stream."""
    session.install("-e", ".[test,spark]")
    run = ("python", "-m", "pytest", "--override-ini", "addopts=--strict-markers --strict-config")
    session.run(*run, "tests/spark", *session.posargs)


@nox.session(python=FULL)
def lint(session: nox.Session) -> None:
    """Check the style, the format, and which package imports which."""
    session.install(*dependencies("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session(python=FULL)
def types(session: nox.Session) -> None:
    """Check the types of the package, the tests and the benchmarks."""
    session.install("-e", ".[test]", *dependencies("types"))
    session.run("mypy")


@nox.session(python=FULL)
def docs(session: nox.Session) -> None:
    """Build the documentation, in which every reference leads somewhere."""
    session.install("-e", ".[cli]", *dependencies("docs"))
    build = ("-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-b", "html")
    session.run("python", *build, "docs", "docs/_build/html")


@nox.session(venv_backend="none")
def conformance(session: nox.Session) -> None:
    """Write the suite of cases as a zip file with its version, into ``dist``."""
    session.run(sys.executable, "conformance/archive.py", "dist", external=True)


@nox.session(python=FULL)
def wheel(session: nox.Session) -> None:
    """Build the wheel, and run from it, elsewhere, the demo, commands, the cases and the page."""
    session.install("build")
    dist, fresh = Path(session.create_tmp()) / "dist", Path(session.create_tmp()) / "fresh"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "venv", "--clear", str(fresh))
    programs = fresh.resolve() / ("Scripts" if os.name == "nt" else "bin")
    session.run("python", "-m", "build", "--quiet", "--outdir", str(dist))
    [built] = dist.glob("*.whl")
    install = (str(programs / "python"), "-m", "pip", "install", "--quiet", f"{built}[cli]")
    session.run(*install, external=True)
    session.cd(dist)
    command = str(programs / "iterable-destination")
    demo = session.run(command, "demo", "--all", silent=True, external=True)
    if "The event history of bruno@example.com" not in str(demo):
        session.error("the demo shows no event history")
    Path("event.json").write_text(ONE_EVENT, "utf-8")
    session.run(command, "translate", "event.json", external=True)
    session.run(str(programs / "python"), "-c", ASK_CASES, external=True)
    missing = session.run(command, "playground", success_codes=[2], silent=True, external=True)
    if "pip install 'jinja2" not in str(missing):
        session.error("the command does not say what the page needs")
    extra = f"./{built.name}[playground]"
    session.run(*install[:-1], extra, external=True)
    session.run(str(programs / "python"), "-c", ASK_PAGE, external=True)
