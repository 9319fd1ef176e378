"""The documentation is true: its examples run, and its tables say what the code does."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import attrs
import click
import pytest
from click.testing import CliRunner

import iterable_destination
from iterable_destination import Settings, errors, source, testing
from iterable_destination.cli.main import command_line
from iterable_destination.delivery.engine import scheduler
from iterable_destination.model import dates, endpoints, field_names, outcomes
from iterable_destination.model import settings as settings_module
from iterable_destination.model.json_copy import MAX_NESTING
from iterable_destination.receivers import acknowledgement, auth, aws_lambda, base, cloud_functions
from iterable_destination.source import collections
from iterable_destination.testing import LocalIterable, Project
from tests.support.conformance_cases import by_id, line
from tests.support.postgres import Cluster

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"
PACKAGE = Path(iterable_destination.__file__).parent
PAGES = {
    str(path.relative_to(DOCS)): path.read_text("utf-8")
    for path in sorted(DOCS.rglob("*.md"))
    if "_build" not in path.parts
}

# --- the examples


def names(suffix: str) -> list[str]:
    return sorted(path.name for path in EXAMPLES.glob(f"*{suffix}"))


CONSOLES = names(".console")
#: The ports that are shown, of the local Iterable and of the receiver; free ones are used.
SHOWN_PORT = "8080"
RECEIVER_PORT = "8081"
#: Consoles of servers, which run until they are stopped.
SERVERS = {"emulate.console", "serve.console", "serve-outbox.console"}
#: Consoles that need a receiver, and the console that starts it.
RECEIVED_BY = {
    "serve-signed.console": "serve.console",
    "serve-write-key.console": "serve.console",
    "serve-kept.console": "serve-outbox.console",
}
#: Examples that are run by a console, by pytest, or in a framework.
RUN_OTHERWISE = {"metrics_multiprocess.py", "signup.py", "test_signup.py"}
RUN_OTHERWISE |= {"celery_events.py", "django_events.py", "fastapi_async.py", "fastapi_events.py"}
RUN_OTHERWISE |= {"postgres_outbox.py", "spark_archive.py", "spark_stream.py", "sqs_worker.py"}
#: Examples that set up a whole process: its log, or the default of `analytics`.
PROCESSES = ["analytics.py", "log_json.py", "watch.py"]
#: Examples that need a large package, which nox installs.
LARGE = {"pandas_rows.py"}
ALONE = [name for name in names(".py") if name not in RUN_OTHERWISE]


def environment(**variables: str) -> dict[str, str]:
    """Return an environment without settings of ours, where this Python's commands are found."""
    ours = ("ITERABLE_", "SEGMENT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"} | variables


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A copy of the examples, where they can leave files behind."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "examples"))


def stripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def commands(text: str) -> list[str]:
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]


def played(text: str, folder: Path) -> str:
    """Run the commands of a console in one shell, and return them with what they print."""
    ends = "--- a command ends ---"
    script = "\n".join(
        f"{{ {command}\n}} 2>&1; status=$?; printf '\\n{ends}\\n'; (exit $status)"
        for command in commands(text)
    )
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    printed = [stripped(part) for part in done.stdout.split(ends)]
    lines: list[str] = []
    for command, output in zip(commands(text), printed, strict=False):
        lines += [f"$ {command}", *output]
    return "\n".join(lines)


def shown(name: str) -> str:
    return (EXAMPLES / name).read_text("utf-8")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name in ALONE
        if name not in PROCESSES
    ],
)
def test_an_example_prints_what_is_shown(
    name: str,
    beside: Path,
    local_iterable: LocalIterable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(beside)
    monkeypatch.syspath_prepend(beside)
    for variable in os.environ.keys() - environment().keys():
        monkeypatch.delenv(variable)
    monkeypatch.setenv("ITERABLE_API_KEY", local_iterable.api_key)
    monkeypatch.setenv("ITERABLE_BASE_URL", local_iterable.url)
    runpy.run_path(name, run_name="__main__")
    printed = capsys.readouterr()
    expected = shown(name.replace(".py", ".out"))
    assert (stripped(printed.out), printed.err) == (stripped(expected), "")


def test_the_example_with_a_database_prints_what_is_shown(
    postgres: Cluster,
    local_iterable: LocalIterable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for variable in os.environ.keys() - environment().keys():
        monkeypatch.delenv(variable)
    monkeypatch.setenv("ITERABLE_API_KEY", local_iterable.api_key)
    monkeypatch.setenv("ITERABLE_BASE_URL", local_iterable.url)
    monkeypatch.setenv("DATABASE_URL", postgres.dsn)
    postgres.run("DROP TABLE IF EXISTS iterable_outbox, orders")
    runpy.run_path(str(EXAMPLES / "postgres_outbox.py"), run_name="__main__")
    printed = capsys.readouterr()
    assert (stripped(printed.out), printed.err) == (stripped(shown("postgres_outbox.out")), "")


@pytest.mark.parametrize("name", PROCESSES)
def test_an_example_of_a_whole_process_prints_what_is_shown(
    name: str, beside: Path, local_iterable: LocalIterable
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", name],
        cwd=beside,
        env=environment(
            ITERABLE_API_KEY=local_iterable.api_key, ITERABLE_BASE_URL=local_iterable.url
        ),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    expected = shown(name.replace(".py", ".out"))
    assert (stripped(done.stdout), done.stderr) == (stripped(expected), "")


def is_simple(text: str) -> bool:
    """Whether a console needs no shell: it runs nothing but the command line, and pipes nothing."""
    return all(
        command.startswith("iterable-destination ") and not set(command) & set("|<>$&;'\"")
        for command in commands(text)
    )


SIMPLE = [name for name in CONSOLES if name not in SERVERS and is_simple(shown(name))]
IN_A_SHELL = [name for name in CONSOLES if name not in SERVERS and name not in SIMPLE]


@pytest.mark.parametrize("name", SIMPLE)
def test_a_simple_console_shows_what_is_printed(
    name: str, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(beside)
    for variable in os.environ.keys() - environment().keys():
        monkeypatch.delenv(variable)
    printed = []
    for command in commands(shown(name)):
        result = CliRunner().invoke(command_line, command.split()[1:])
        printed += [f"$ {command}", *stripped(result.output)]
    assert printed == stripped(shown(name))


def test_the_local_iterable_prints_what_is_shown() -> None:
    ports = {SHOWN_PORT: "0"}
    with started("emulate.console", ports, EXAMPLES) as port:
        found = played(with_ports(shown("tutorial-send.console"), {SHOWN_PORT: port}), EXAMPLES)
    assert '{"index":1,"messageId":"m-2","outcome":"delivered"}' in found.splitlines()


@pytest.mark.parametrize("name", IN_A_SHELL)
def test_a_console_shows_what_is_printed(name: str, beside: Path) -> None:
    text = shown(name)
    for tool in ("curl", "openssl"):
        if f"{tool} " in text and shutil.which(tool) is None:
            pytest.skip(f"there is no {tool} here")
    server = RECEIVED_BY.get(name)
    is_needed = SHOWN_PORT in text or server is not None
    with (
        emulated(needed=is_needed, seed=name == "tutorial-look.console") as port,
        running_receiver(server, port, beside) as receiver_port,
    ):
        ports = {SHOWN_PORT: port, RECEIVER_PORT: receiver_port}
        printed = with_ports(played(with_ports(text, ports), beside), ports, back=True)
    assert stripped(printed) == stripped(text)


def with_ports(text: str, ports: dict[str, str], *, back: bool = False) -> str:
    """Put in the ports that are used for those that are shown, or back again."""
    for shown_port, used in ports.items():
        text = text.replace(used, shown_port) if back else text.replace(shown_port, used)
    return text


@contextmanager
def emulated(*, needed: bool, seed: bool = False) -> Iterator[str]:
    """Run a local Iterable as the pages do, if it is needed, and give its port."""
    if not needed:
        yield SHOWN_PORT
        return
    with LocalIterable(Project(api_key=None)) as iterable:
        port = iterable.url.rpartition(":")[2]
        if seed:  # what the page has had sent by then
            played(shown("tutorial-send.console").replace(SHOWN_PORT, port), EXAMPLES)
        yield port


@contextmanager
def running_receiver(console: str | None, port: str, folder: Path) -> Iterator[str]:
    """Run the receiver that a page runs, if there is one, and give its port."""
    if console is None:
        yield RECEIVER_PORT
        return
    ports = {RECEIVER_PORT: "0", SHOWN_PORT: port}
    with started(console, ports, folder, shown_port=RECEIVER_PORT) as its_port:
        yield its_port


@contextmanager
def started(
    console: str, ports: dict[str, str], folder: Path, *, shown_port: str = SHOWN_PORT
) -> Iterator[str]:
    """Run the server of a console, see that it prints what is shown, and give its port."""
    *before, command = commands(shown(console))
    expected = [line for line in shown(console).splitlines() if not line.startswith("$ ")]
    script = "\n".join([*before, f"exec {command}"])
    server = subprocess.Popen(
        ["/bin/sh", "-c", with_ports(script, ports)],
        cwd=folder,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout is not None
    try:
        printed = [server.stdout.readline().rstrip() for _ in expected]
        port = printed[0].rpartition(":")[2]
        assert [text.replace(port, shown_port) for text in printed] == expected
        yield port
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_the_example_of_a_test_passes(beside: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=beside,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1][:8]) == (0, "1 passed"), done.stdout


#: A fenced block, and the line above it if that is the comment that names an example.
FENCED = re.compile(
    r"^(?P<indent> *)(?:<!-- (?P<name>(?:\.\./)?examples/\S+) -->\n(?P=indent))?"
    r"```(?P<language>[^\s`]+)[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
#: How the pages mark the examples' languages.
LANGUAGES = {".py": "python", ".console": "console", ".json": "json", "": "docker", ".sh": "sh"}
LANGUAGES |= {".yml": "yaml", ".yaml": "yaml"}
#: A file that is too long for a page, which leads to it.
LINKED = {"../examples/grafana-dashboard.json"}
#: Files among the complete ones for hosts, beside those of Python.
DEPLOYED = {"Dockerfile", "cloud_function/main.py", "cloud_function/requirements.txt"}
DEPLOYED |= {
    f"compose/{name}" for name in ("Dockerfile", "compose.yaml", "make_secrets.sh", "outbox_app.py")
}
COPIED = [
    (page, block["name"], block["language"], block["text"])
    for page, text in PAGES.items()
    for block in FENCED.finditer(text)
    if block["name"]
]


@pytest.mark.parametrize(
    ("page", "name", "language", "block"), COPIED, ids=[f"{copy[0]}-{copy[1]}" for copy in COPIED]
)
def test_a_page_shows_an_example_as_it_is(page: str, name: str, language: str, block: str) -> None:
    text = (DOCS / name).read_text("utf-8")
    assert (page, textwrap.dedent(block).strip("\n")) == (page, text.strip("\n"))
    assert language == LANGUAGES.get(Path(name).suffix, "text")


def test_every_example_is_shown_and_nothing_else_is() -> None:
    here = {f"examples/{path.name}" for path in EXAMPLES.iterdir() if path.is_file()}
    for_hosts = {f"../examples/{path.name}" for path in (ROOT / "examples").glob("*.*")}
    for_hosts |= {f"../examples/{name}" for name in DEPLOYED}
    assert {name for _, name, _, _ in COPIED} == here - {"examples/ruff.toml"} | for_hosts - LINKED
    named = sum(len(re.findall(r"<!-- (?:\.\./)?examples/", text)) for text in PAGES.values())
    assert named == len(COPIED), "a comment names an example, and no block follows"


#: What stands in a page itself: installing, single lines that are cut from a longer whole, and
#: directives of Sphinx, which hold no code.
FENCES = {"bash", "text", "{code-block}", "{toctree}", "{eval-rst}", "{glossary}", "{include}"}
INSTALLING = ("python3 -m venv ", ". .venv/bin/activate", "pip install ", "python -m ")


@pytest.mark.parametrize("page", PAGES)
def test_code_stands_in_files_that_are_run(page: str) -> None:
    free = [block for block in FENCED.finditer(PAGES[page]) if not block["name"]]
    assert {block["language"] for block in free} - FENCES == set()
    shells = [block["text"] for block in free if block["language"] == "bash"]
    lines = [line.strip() for text in shells for line in text.splitlines()]
    assert [line for line in lines if not line.startswith(INSTALLING)] == []


# --- the reference

#: Modules whose texts are no messages: the demo, words for the terminal, data, the local Iterable.
SILENT_MODULES = re.compile(
    "(__init__|testing/|cli/(demo|console|explain|help|samples)|mapping/explanation|metrics/names"
    "|model/dates|playground/users|source/collections).*"
)
#: Every other module of the package: what it says, the page of messages repeats.
SPEAKING = sorted(
    name
    for path in PACKAGE.rglob("*.py")
    if not SILENT_MODULES.match(name := str(path.relative_to(PACKAGE).with_suffix("")))
)
#: Calls whose texts no user reads: patterns, the names of options, logs.
SILENT = {
    "compile",
    "fullmatch",
    "argument",
    "option",
    "group",
    "version_option",
    "debug",
    "TypeError",
}
SILENT |= {"split", "frozenset", "command", "counts", "startswith", "removeprefix"}
SILENT |= {"schema", "selectExpr", "where"}  # SQL of Spark's
#: How what is said to a database or a browser begins, which no user reads.
PROTOCOLS = ("CREATE ", "DELETE ", "INSERT ", "PRAGMA ", "SELECT ", "+ 1", "- 1", "default-src ")
GAP = "<…>"


def parse(module: str) -> tuple[ast.Module, dict[str, str]]:
    """Return the tree of a module, and its constants that are texts or numbers, by what names them.

    Those of a ``Reason`` are its ``NAME.code`` and ``NAME.message``.
    """
    tree = ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))
    constants: dict[str, str] = {}
    for node in tree.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        name = node.target.id
        if isinstance(node.value, ast.Constant):
            constants[name] = str(node.value.value)
        elif isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "Reason":
            parts = zip((f"{name}.code", f"{name}.message"), node.value.args, strict=True)
            constants |= {
                part: str(arg.value) for part, arg in parts if isinstance(arg, ast.Constant)
            }
    return tree, constants


def templates(module: str) -> set[str]:
    """Return the texts of a module that are sentences, with a gap for each value put in."""
    tree, constants = parse(module)
    shown = (text.encode(errors="backslashreplace").decode() for text in _texts(tree, constants))
    texts = {gapped(text) for text in shown if not text.startswith(PROTOCOLS)}
    return {text for text in texts if " " in text.replace(GAP, "").strip()}


def _texts(node: ast.AST, constants: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        yield "".join(_piece(part, constants) for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif not _is_silent(node):
        for child in ast.iter_child_nodes(node):
            yield from _texts(child, constants)


def _piece(part: ast.expr, constants: dict[str, str]) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    text = constants.get(ast.unparse(part.value), GAP)
    return f"{int(text):,}" if part.format_spec is not None and text.isdecimal() else text


def _is_silent(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # a docstring
    if isinstance(node, ast.FunctionDef) and node.name in {"__repr__", "__reduce__"}:
        return True  # for programmers
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in SILENT


REFERENCE = {page: text for page, text in PAGES.items() if page.startswith("reference/")}
#: A row of a table: what stands between bars, where a bar may be escaped.
ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of the tables in a text, without the lines under headings."""
    found = [re.split(r"(?<!\\)\|", row) for row in ROW.findall(text)]
    return [[cell.strip() for cell in row] for row in found if set(row[0]) - set("- :")]


def code(text: str) -> list[str]:
    """Return the code in a text's lines; fenced blocks do not count."""
    lines = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [span.replace("\\|", "|") for span in re.findall(r"`([^`\n]+)`", lines)]


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, its smaller headings included."""
    level = len(heading) - len(heading.lstrip("#"))
    _, _, rest = text.partition(f"{heading}\n")
    assert rest, f"there is no {heading}"
    return re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def gapped(text: str) -> str:
    """Return a message with mere gaps for its values, and without the name it begins with."""
    return re.sub(r"<[^<>]+>", GAP, text).removeprefix(f"{GAP}: ")


MESSAGES = REFERENCE["reference/messages.md"]
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def first_table(name: str) -> str:
    """Return the first table under a heading of the page of messages, as it is written there."""
    found = TABLE.search(section(MESSAGES, f"## {name}"))
    assert found is not None
    return found[0]


#: Pages that say what is not lost by a kill, or what is sent again.
PROMISING = (
    *("howto/aws-lambda.md", "howto/backend.md", "howto/postgres.md"),
    "howto/resume-and-dead-letters.md",
    *("howto/webhook.md", "howto/without-segment.md", "reference/cli.md", "reference/hosts.md"),
)


@pytest.mark.parametrize("page", PROMISING)
def test_what_promises_says_what_a_kill_means_for_profiles(page: str) -> None:
    assert "[go back for a moment](../delivery.md#after-a-kill)" in PAGES[page]


def test_pages_that_speak_of_a_kill_say_what_it_means() -> None:
    speak = {page for page, text in PAGES.items() if re.search(r"\b[Aa] kill\b", text)}
    linked = {page for page, text in PAGES.items() if "delivery.md#after-a-kill" in text}
    assert speak - linked <= {"delivery.md", "architecture.md", "glossary.md", "changelog.md"}


def test_tables_of_messages_are_repeated_word_for_word() -> None:
    marked = rf"^<!-- reference/messages\.md, (\w+) -->\n({TABLE.pattern})"
    copies = dict(re.findall(marked, PAGES["howto/why-not.md"], re.MULTILINE))
    assert copies == {name: first_table(name) for name in ("Skipped", "Notes", "Errors")}


def test_the_fields_of_the_log_are_those_of_the_table() -> None:
    table = rows(section(PAGES["howto/watch.md"], "## Fields of the log"))[1:]
    sources = [path.read_text("utf-8") for path in PACKAGE.rglob("*.py")]
    fields = {name for text in sources for name in re.findall(r'"(iterable_[a-z_]+)"', text)}
    others = {PACKAGE.name, "iterable_outbox"}  # the package, and a table
    assert {name for row in table for name in code(row[0])} == fields - others


def test_records_of_the_log_above_debug_have_fields() -> None:
    calls = [
        ast.unparse(node)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_log.")
    ]
    above = [call for call in calls if not call.startswith("_log.debug(")]
    assert len(above) > 10
    without_values = ["_log.warning('the queue is full; an event is not taken')"]
    assert [call for call in above if "extra=" not in call] == without_values


@pytest.mark.parametrize("module", SPEAKING)
def test_every_message_of_a_module_is_in_the_reference(module: str) -> None:
    written = {gapped(span) for text in REFERENCE.values() for span in code(text)}
    assert templates(module) - written == set()


def test_every_message_of_the_reference_is_in_a_module() -> None:
    said = {text for module in SPEAKING for text in templates(module)}
    first = [row[0] for row in rows(MESSAGES.replace(first_table("Errors"), ""))]
    written = {gapped(span) for cell in first for span in code(cell)}
    assert written - said == {"missing"}  # one word is no sentence to look for


def reasons(module: str) -> Iterator[tuple[str, str]]:
    """Yield the words of each reason of a module, with gaps, and its code.

    One that has the code of another reason, which only an event tells, is left out.
    """
    tree, constants = parse(module)
    words: dict[str, ast.expr] = {}
    calls = (ast.Assign, ast.Call)
    for node in sorted((n for n in ast.walk(tree) if isinstance(n, calls)), key=_position):
        if isinstance(node, ast.Assign):
            words[ast.unparse(node.targets[0])] = node.value
        elif ast.unparse(node.func) == "Reason":
            its_code, said = node.args
            name = ast.unparse(its_code)
            found = its_code.value if isinstance(its_code, ast.Constant) else constants.get(name)
            if found is not None:
                said = words.get(ast.unparse(said), said)
                yield from ((gapped(text), str(found)) for text in _texts(said, constants))


def _position(node: ast.stmt | ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def test_every_code_is_in_the_tables_beside_its_words_and_no_other_is() -> None:
    said = {reason for module in SPEAKING for reason in reasons(module)}
    written: set[tuple[str, str]] = set()
    for table in (each for text in REFERENCE.values() for each in TABLE.findall(text)):
        head, *body = rows(table)
        if "Code" in head:
            column = head.index("Code")
            pairs = [
                (text, its) for row in body for text in code(row[0]) for its in code(row[column])
            ]
            written |= {(gapped(text), its) for text, its in pairs}
    assert written == said


def test_every_problem_and_note_of_the_package_is_made_of_a_reason() -> None:
    made = {
        (str(path.relative_to(PACKAGE)), ast.unparse(node.func))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    }
    where = {path for path, called in made if called in {"Problem", "Note"}}
    assert where == {"errors.py"}


def test_the_kinds_of_values_are_those_that_are_named() -> None:
    tree = ast.parse((PACKAGE / "model/json_values.py").read_text("utf-8"))
    named = {text for text in _texts(tree, {}) if text.startswith(("a ", "an "))}
    introduction = {gapped(span) for span in code(MESSAGES.partition("## Problems")[0])}
    assert named - introduction == set()


BLOCK = re.compile(r"^```\{code-block\} json\n:caption: (\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def judged() -> Iterator[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Yield every example of the reference: its page, settings, event and result."""
    for page, text in REFERENCE.items():
        settings: dict[str, Any] = {}
        event: dict[str, Any] = {}
        for caption, block in BLOCK.findall(text):
            value = json.loads(block)
            if caption == "Settings":
                settings = value
            elif caption == "Event":
                event = value
            else:
                assert caption == "Result"
                yield page, settings, event, value
                settings = {}


JUDGED = list(judged())


@pytest.mark.parametrize(
    ("page", "settings", "event", "result"), JUDGED, ids=[example[0] for example in JUDGED]
)
def test_an_event_of_the_reference_gives_the_result_below_it(
    page: str, settings: dict[str, Any], event: dict[str, Any], result: dict[str, Any]
) -> None:
    assert (page, line(event, settings)) == (page, result)


def test_every_event_of_the_reference_has_a_result() -> None:
    captions = [caption for text in REFERENCE.values() for caption, _ in BLOCK.findall(text)]
    blocks = sum(text.count("{code-block}") for text in REFERENCE.values())
    assert len(captions) == blocks
    assert captions.count("Event") == captions.count("Result") == len(JUDGED)


DATES = REFERENCE["reference/dates.md"]


def test_dates_are_sent_as_the_table_says() -> None:
    table = section(DATES, "## In dataFields").partition("| Untouched")[0]
    pairs = [(code(row[0]), code(row[1])) for row in rows(table) if len(row) == 2][1:]
    assert len(pairs) > 10
    assert [[dates.iterable_date(given)] for [given], _ in pairs] == [sent for _, sent in pairs]


def test_untouched_dates_are_untouched() -> None:
    table = section(DATES, "## In dataFields").partition("| Untouched")[2]
    texts = [code(row[0])[0] for row in rows(table) if code(row[0])]
    assert len(texts) > 10
    assert [dates.iterable_date(text) for text in texts] == texts


def test_single_dates_are_read_as_the_table_says() -> None:
    table = rows(section(DATES, "## A single date"))[1:]
    assert len(table) > 5
    given = [json.loads(code(row[1])[0]) for row in table]
    expected = [json.loads(code(row[2])[0]) for row in table]
    assert [dates.read_as_unix_seconds(value) for value in given] == expected


def numbers() -> Iterator[tuple[str, str, str]]:
    """Yield every cell of the table of numbers: what is given, for which field, what is sent."""
    heading, *table = rows(section(REFERENCE["reference/commerce.md"], "## Numbers"))
    for given, *cells in table:
        for title, cell in zip(heading[1:], cells, strict=True):
            yield from ((code(given)[0], name, cell) for name in code(title))


@pytest.mark.parametrize(("given", "name", "cell"), list(numbers()))
def test_numbers_are_sent_as_the_table_says(given: str, name: str, cell: str) -> None:
    value = json.loads(given)
    product = {"product_id": "p-1", "name": "Uno", "price": 3}
    properties: dict[str, Any] = {"total": 1, "products": [product]}
    place = product if name in {"price", "quantity"} else properties
    place[name] = value
    event = {"type": "track", "userId": "u-7", "event": "Order Completed", "properties": properties}
    result = line(event, {})
    if cell == "invalid":
        assert result["error"]["problems"][0]["path"].endswith(f".{name}")
        return
    body = result["calls"][0]["body"]
    sent = (body["items"][0] if name in {"price", "quantity"} else body)[name]
    assert (sent, type(sent)) == (json.loads(code(cell)[0]), type(json.loads(code(cell)[0])))


READING = REFERENCE["reference/reading.md"]


def test_keys_are_compared_as_the_table_says() -> None:
    table = rows(section(READING, "## Looking up a field"))[1:]
    pairs = [(code(row[0])[0], code(row[1])[0]) for row in table]
    assert len(pairs) > 5
    assert [(key, field_names.fold(key)) for key, _ in pairs] == pairs


def test_numbers_become_texts_as_the_table_says() -> None:
    table = rows(section(READING, "## Values").partition("| Number ")[2])[1:]
    pairs = [(code(row[0])[0], json.loads(code(row[1])[0])) for row in table]
    assert len(pairs) > 5
    sent = []
    for number, _ in pairs:
        product = {"product_id": json.loads(number), "name": "Uno", "price": 3}
        order = {"total": 1, "products": [product]}
        event = {"type": "track", "userId": "u-7", "event": "Order Completed", "properties": order}
        sent.append((number, line(event, {})["calls"][0]["body"]["items"][0]["id"]))
    assert sent == pairs


REQUESTS = {
    "a cart": "/api/commerce/updateCart",
    "an order": "/api/commerce/trackPurchase",
    "an ordinary event": "/api/events/track",
}
NAMES = [
    (name, REQUESTS[row[1]])
    for row in rows(REFERENCE["reference/commerce.md"])
    if row[-1] in REQUESTS
    for name in code(row[0])
]


@pytest.mark.parametrize(("name", "path"), NAMES)
def test_names_of_commerce_are_matched_as_the_page_says(name: str, path: str) -> None:
    properties = {"total": 1, "products": []}
    event = {"type": "track", "userId": "u-7", "event": name, "properties": properties}
    assert line(event, {})["calls"][0]["path"] == path


def test_the_page_has_names_of_every_kind() -> None:
    assert {path for _, path in NAMES} == set(REQUESTS.values())


def json_or_python(value: object) -> str:
    """Return a default as the pages write it: a string in double quotes."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def test_the_table_of_settings_names_all_with_their_defaults() -> None:
    table = [row for row in rows(REFERENCE["reference/settings.md"]) if len(row) == 4][1:]
    segments = {ours: segment for segment, ours in settings_module._OURS.items()}
    written = [[code(row[0]), code(row[1]), code(row[2])] for row in table]
    expected = [
        [
            [field.name],
            [json_or_python(field.default)],
            [segments[field.name]] if field.name in segments else [],
        ]
        for field in attrs.fields(Settings)
        if field.init
    ]
    assert written == expected


SOURCE_PAGE = REFERENCE["reference/source.md"]


def test_the_table_of_collections_is_the_one_that_is_used() -> None:
    table = rows(section(SOURCE_PAGE, "## The 22 collections"))[1:]
    written = [(row[0], code(row[1]), tuple(code(row[2])), row[3]) for row in table]
    assert written == [
        (each.name, [each.wire], each.fields, "yes" if each.has_campaign else "no")
        for each in collections.COLLECTIONS
    ]


def test_the_common_fields_of_webhooks_are_named() -> None:
    text = section(SOURCE_PAGE, "## The 22 collections").partition("Common fields")[2]
    fields = (
        *collections.COMMON_FIELDS,
        *collections.CAMPAIGN_FIELDS,
        *collections.FREQUENT_FIELDS,
    )
    assert code(text)[: len(fields)] == list(fields)


def test_the_table_of_skips_is_the_one_that_is_used() -> None:
    table = rows(section(SOURCE_PAGE, "## What is ignored"))[1:]
    written = [(code(row[0]), row[1]) for row in table]
    assert written == [([each.wire], each.name) for each in collections.SEND_SKIPS]


def test_the_table_of_options_names_all_with_their_defaults() -> None:
    table = rows(section(SOURCE_PAGE, "## Options"))[1:]
    fields = [field for field in attrs.fields(source.SourceOptions) if field.init]
    assert [code(row[0]) for row in table] == [[field.name] for field in fields]
    defaults = [json_or_python(getattr(source.SourceOptions(), field.name)) for field in fields]
    assert [code(row[1]) for row in table] == [[default] for default in defaults]


CLI = REFERENCE["reference/cli.md"]


def usage(parameter: click.Parameter) -> str:
    """Return an option as the page writes it: ``--settings FILE``."""
    assert isinstance(parameter, click.Option)
    names = ", ".join(sorted(parameter.opts, key=len))
    if parameter.is_flag:
        return names
    if isinstance(parameter.type, click.Choice):
        return f"{names} {'|'.join(parameter.type.choices)}"
    kind = parameter.type.name.partition(" ")[0].upper()  # "integer range" too
    return f"{names} {parameter.metavar or kind}"


def every_command(group: click.Command, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command by its whole name, such as ``source serve``."""
    assert isinstance(group, click.Group)
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, f"{before}{name} ")
        else:
            yield before + name, command


def test_the_page_of_the_command_line_names_every_command() -> None:
    table = CLI.partition("| Command ")[2].partition("\n\n")[0]
    spans = [span for row in rows(table) for span in code(row[0])]
    written = {re.sub(r"( MESSAGE_ID)? (\[FILE\]|FILE)$", "", span) for span in spans}
    assert written == {name for name, _ in every_command(command_line)}


def test_the_page_of_the_command_line_names_every_option_with_its_default() -> None:
    table = rows(CLI.partition("| Option ")[2].partition("\n\n")[0])
    written = {
        (command, ", ".join(code(row[0])))
        for row in table
        if len(row) == 4
        for command in code(row[1])
    }
    everywhere = {", ".join(code(row[0])) for row in table if len(row) == 4 and row[1] == "all"}
    defaults = {
        (command, ", ".join(code(row[0]))): code(row[2])
        for row in table
        if len(row) == 4
        for command in code(row[1])
    }
    options = {
        (name, usage(parameter)): parameter
        for name, command in every_command(command_line)
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }
    assert written == set(options)
    shown_defaults = {
        key: [str(parameter.default)]
        for key, parameter in options.items()
        if isinstance(parameter.default, str | int) and not isinstance(parameter.default, bool)
    }
    assert {key: defaults[key] for key in shown_defaults} == shown_defaults
    assert everywhere == {"--version", "-h, --help"}


def test_the_limits_are_those_of_the_endpoints() -> None:
    text = REFERENCE["reference/limits.md"]
    table = {
        code(row[0])[0]: row[1]
        for row in rows(text)
        if row[0].startswith(("`POST", "`GET", "`PUT"))
    }
    known = [value for value in vars(endpoints).values() if isinstance(value, endpoints.Endpoint)]
    assert table == {
        f"{endpoint.method} {endpoint.path}": (
            "none documented" if endpoint.rate is None else f"{endpoint.rate:,}"
        )
        for endpoint in known
    }
    for number in (
        MAX_NESTING,
        endpoints.MAX_BODY_BYTES,
        endpoints.MAX_ID_BYTES,
        endpoints.MAX_USER_ID_LENGTH,
        endpoints.MAX_SEGMENT_EVENT_BYTES,
        endpoints.INT32.stop - 1,
        endpoints.INT64.stop - 1,
    ):
        assert re.search(rf"(?<![\d,]){number:,}(?![\d,])", text)
    servers = {code(row[0])[0]: code(row[1])[0] for row in rows(text) if "`https" in row[-1]}
    assert servers == endpoints.BASE_URLS


def test_every_error_of_iterables_says_what_to_do() -> None:
    kinds = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ApiError)
    }
    bases = {base for kind in kinds.values() for base in kind.__mro__[1:]}
    leaves = {name for name, kind in kinds.items() if kind not in bases}
    assert {code(row[0])[0] for row in rows(first_table("Errors"))[1:]} == leaves


def test_every_outcome_says_what_to_do() -> None:
    table = section(PAGES["howto/backend.md"], "## Every outcome, and what to do with it")
    kinds = {kind.__name__ for kind in get_args(outcomes.Outcome)}
    assert {code(row[0])[0] for row in rows(table)[1:]} == kinds


def test_every_option_of_a_project_is_named_with_its_default() -> None:
    table = rows(PAGES["howto/test-your-code.md"].partition("| Option of ")[2])
    written = {code(row[0])[0]: code(row[1]) for row in table if len(row) == 3}
    expected = {
        name: [] if parameter.default == () else [json_or_python(parameter.default)]
        for name, parameter in inspect.signature(testing.Project).parameters.items()
    }
    assert written == expected


HOSTS = REFERENCE["reference/hosts.md"]


def test_every_outcome_has_the_status_that_the_table_says() -> None:
    table = rows(section(HOSTS, "## From outcome to what happens next").partition("\n\n")[0])[1:]
    written = {(code(row[0])[0], row[1] != "no"): int(row[2]) for row in table}
    kinds = {kind.__name__.lower(): kind for kind in get_args(outcomes.Outcome)}
    assert written == {
        (name, kept): acknowledgement.http_status([kinds[name](index=0)], keeps_dead_letters=kept)
        for name, kept in written
    }
    assert {name for name, _ in written} == set(kinds)
    assert {(name, kept) for name in ("rejected", "unknown") for kept in (True, False)} <= set(
        written
    )


#: What makes an answer that is no outcome.
ANSWERS = {"HTTPError", "Response"}


def refusals(module: str) -> set[tuple[int, str]]:
    """Return the statuses and messages of a module's refusals."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))
    texts = {
        node.target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value
    }
    texts |= {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    found = set()
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and getattr(call.func, "id", "") in ANSWERS):
            continue
        statuses = [node.value for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)]
        message = call.args[1] if len(call.args) > 1 else None
        if isinstance(message, ast.Name):
            message = texts.get(message.id)
        for text in (
            []
            if message is None
            else _texts(message, {"_JSON": "application/json", "_MAX_EVENTS": "5000"})
        ):
            found |= {(status, gapped(text)) for status in statuses if isinstance(status, int)}
    return {(status, text) for status, text in found if status >= 400 and text != "error"}


def test_every_status_has_the_messages_that_the_pages_say() -> None:
    modules = sorted((PACKAGE / "receivers").glob("*.py"))
    given = set().union(*(refusals(f"receivers/{path.stem}") for path in modules))
    table = rows(section(HOSTS, "## Every status"))[1:]
    written = {(int(row[0]), gapped(text)) for row in table for text in code(row[1])}
    assert written == given
    receiving = rows(section(MESSAGES, "## Receiving").partition("\n\nWhat is raised")[0])[1:]
    assert given == {
        (int(status), gapped(text))
        for row in receiving
        for text in code(row[0])
        for status in re.findall(r"\d{3}", row[1])
    }


def test_the_limits_of_the_receiver_are_those_that_are_held() -> None:
    limits = {row[0]: row[1] for row in rows(section(HOSTS, "## Limits"))}
    assert limits["seconds until the response, with the reading of the body"] == (
        f"{base.TIME_LIMIT:g}"
    )
    assert limits["bytes of a body, before and after decompression"] == f"{base.MAX_BODY:,}"
    assert limits["events in a request"] == f"{base._MAX_EVENTS:,}"
    largest = "bytes of an array in which its first element must end, to be signed"
    assert limits[largest] == f"{auth._MAX_ELEMENT:,}"
    assert limits["calls for one bulk endpoint that are sent as single requests"] == str(
        scheduler._FEW
    )
    assert f"{base._MAX_EVENTS:,} events" in REFERENCE["reference/limits.md"]
    assert f"[{MAX_NESTING} levels]" in limits["nesting of an event"]


def test_the_page_of_the_api_describes_what_hosts_call() -> None:
    text = REFERENCE["reference/api.md"]
    described = set(re.findall(r"^\.\. \S+:: iterable_destination\.(\S+)$", text, re.MULTILINE))
    hosts = {"aws_lambda": aws_lambda, "cloud_functions": cloud_functions}
    public = {
        f"receivers.{host}.{name}"
        for host, module in hosts.items()
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    }
    assert public - described == set()


def test_the_page_of_the_api_describes_every_public_name() -> None:
    text = REFERENCE["reference/api.md"]
    described = {
        name.rpartition(".")[2] for name in re.findall(r"^\.\. \S+:: (\S+)$", text, re.MULTILINE)
    }
    in_errors = {name for name, value in vars(errors).items() if isinstance(value, type)}
    public = {*iterable_destination.__all__, *testing.__all__, *source.__all__}
    assert public - described - in_errors == set()


# --- the explanation

DEPARTURES = PAGES["departures.md"]


def test_every_departure_is_named_under_its_rule_and_nothing_else_is() -> None:
    written = {
        heading: set(re.findall(r"^- `([\w-]+)`$", section(DEPARTURES, heading), re.MULTILINE))
        for heading in re.findall(r"^## 9\.\d+ .+$", DEPARTURES, re.MULTILINE)
    }
    by_rule = {heading.split()[1]: found for heading, found in written.items() if found}
    smaller = re.findall(r"^- `([\w-]+)`$", section(DEPARTURES, "## Smaller ones"), re.MULTILINE)
    by_rule["other"] = set(smaller)
    departing: dict[str, set[str]] = {}
    for name, case in by_id("classic").items():
        if case.departure is not None:
            rule = case.rule if case.rule.startswith("9.") else "other"
            departing.setdefault(rule, set()).add(name)
    assert by_rule == departing


def test_every_rule_has_a_page() -> None:
    text = PAGES["howto/conformance.md"]
    rules = {case.rule.partition(".")[0] for case in by_id("classic").values()}
    table = {code(row[0])[0][0] for row in rows(text.partition("| Rule ")[2]) if code(row[0])}
    assert table == rules
