"""The package is built in floors, and imports only go down."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import iterable_destination

ROOT = Path(iterable_destination.__file__).parent
NAME = ROOT.name

#: Every module, or package of modules, and its floor. The package's own face sees all of them.
FLOORS: dict[int, set[str]] = {
    0: {"errors", "endpoints"},
    1: {
        "plain",
        "dates",
        "data_fields",
        "settings",
        "json_codec",
        "calls",
        "events",
        "outcomes",
        "plain_event",
        "counters",
    },
    2: {
        *("classic", "actions", "source", "validation", "answers", "ordinary", "translation"),
        *("functions", "translators"),
        "origins",
        *("batching", "patience", "rates", "parcels", "lanes", "stops", "dispatch"),
        *("signatures", "messages", "tracking_api", "acceptance"),
    },
    3: {
        *("connections", "client", "segment_client", "segment", "json_lines", "durable", "forks"),
        *("dead_letters", "checkpoint", "outbox"),
        *("closing", "intake", "pipeline", "background", "courier", "delivery", "testing"),
    },
    4: {
        *(
            "cli",
            "arguments",
            "explaining",
            "source_cli",
            "report",
            "console",
            "demo",
            "samples",
            "__main__",
        ),
        *(
            "receiving",
            "receiver",
            "source_webhook",
            "wsgi",
            "webhook",
            "serving",
            "handover",
            "aws_lambda",
            "cloud_functions",
        ),
    },
    5: {"__init__"},
}
FLOOR_OF = {unit: floor for floor, units in FLOORS.items() for unit in units}

#: Mappings that know nothing of each other.
MAPPINGS = {"classic", "actions", "source"}
#: What the test helpers may see of the package: they are an Iterable of their own.
SEEN_BY_TESTING = {"errors", "endpoints", "testing"}

#: Modules of others that are the business of one of ours.
RESERVED = {
    "requests": {"connections"},
    "urllib3": {"connections"},
    "orjson": {"json_codec"},
    "dateutil": {"dates"},
    "click": {"cli", "arguments", "demo", "source_cli", "__main__"},
    "rich": {"console", "demo"},
    "pytest": {"testing"},
    "sqlite3": {"outbox"},
    "fcntl": {"durable"},
    "msvcrt": {"durable"},
}
#: Modules that reach outside: the clock, chance, the system, the network.
OUTSIDE = {
    *("time", "random", "secrets", "calendar", "locale"),
    *("os", "sys", "io", "pathlib", "shutil", "tempfile", "glob", "gzip", "zlib", "importlib"),
    *("socket", "ssl", "http", "urllib.request", "email", "select", "selectors", "socketserver"),
    *("threading", "multiprocessing", "concurrent", "asyncio", "queue", "subprocess", "signal"),
    *("sqlite3", "fcntl", "msvcrt"),
    *("logging", "atexit", "getpass", "platform", "resource"),
}
#: Settings are read from the environment, and there only; a body is unpacked in memory.
MAY_REACH_OUTSIDE = {("settings", "os"), ("messages", "zlib")}


def module_name(path: Path) -> str:
    """Return a module's dotted name inside the package: ``classic.routes``, ``classic``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def unit(module: str) -> str:
    """Return the module's name in the table of floors."""
    return module.partition(".")[0]


def floor(module: str) -> int:
    """Return a module's floor; one that has none is above everything."""
    return FLOOR_OF.get(unit(module), len(FLOORS))


def imported(module: str) -> Iterator[str]:
    """Yield the absolute name of everything that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def ours(module: str) -> set[str]:
    """Return the modules of the package that a module imports."""
    found = set()
    for name in imported(module):
        package, _, inside = name.partition(".")
        if package == NAME:
            while inside and inside not in MODULES and inside not in FLOOR_OF:
                inside = inside.rpartition(".")[0]
            found.add(inside or "__init__")
    return found


def others(module: str) -> set[str]:
    """Return the top-level names of everything else that a module imports."""
    return {name.partition(".")[0] for name in imported(module)} - {NAME}


def reached_outside(module: str) -> set[tuple[str, str]]:
    """Return what a module imports of the modules that reach outside."""
    names = [f"{name}." for name in imported(module)]
    return {
        (module, reached) for reached in OUTSIDE for name in names if name.startswith(f"{reached}.")
    }


def test_every_module_has_a_floor() -> None:
    assert {unit(module) for module in MODULES} - FLOOR_OF.keys() == set()


def test_no_module_has_two_floors() -> None:
    assert sum(map(len, FLOORS.values())) == len(FLOOR_OF)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_to_lower_floors_or_stay(module: str) -> None:
    assert [name for name in ours(module) if floor(name) > floor(module)] == []


def test_imports_go_round_in_no_circle() -> None:
    graph = {module: ours(module) - {module} for module in MODULES}
    order = list(TopologicalSorter(graph).static_order())  # a CycleError if they did
    assert set(order) >= MODULES.keys()


@pytest.mark.parametrize("module", [name for name in MODULES if floor(name) == 0])
def test_the_ground_floor_imports_nothing_of_ours(module: str) -> None:
    assert ours(module) == set()


@pytest.mark.parametrize("module", [name for name in MODULES if unit(name) in MAPPINGS])
def test_a_mapping_imports_no_other(module: str) -> None:
    assert {unit(name) for name in ours(module)} & MAPPINGS <= {unit(module)}


@pytest.mark.parametrize("module", [name for name in MODULES if unit(name) == "testing"])
def test_the_test_helpers_share_only_names_and_errors_with_the_package(module: str) -> None:
    assert {unit(name) for name in ours(module)} - SEEN_BY_TESTING == set()


@pytest.mark.parametrize("module", [name for name in MODULES if floor(name) < 4])
def test_nothing_that_delivers_needs_the_test_helpers(module: str) -> None:
    assert "testing" not in {unit(name) for name in ours(module)} - {unit(module)}


@pytest.mark.parametrize("module", MODULES)
def test_a_package_of_others_is_the_business_of_few(module: str) -> None:
    reserved = others(module) & RESERVED.keys()
    assert [name for name in reserved if unit(module) not in RESERVED[name]] == []


@pytest.mark.parametrize("module", [name for name in MODULES if floor(name) < 3])
def test_the_lower_floors_reach_nothing_outside(module: str) -> None:
    assert reached_outside(module) - MAY_REACH_OUTSIDE == set()


def test_each_exception_is_still_needed() -> None:
    reached = set().union(*map(reached_outside, MODULES))
    assert MAY_REACH_OUTSIDE - reached == set()
