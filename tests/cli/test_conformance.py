"""``conformance run`` runs any implementation, and its exit status says how it did."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from iterable_destination.cli.main import command_line
from iterable_destination.conformance import cases

SERVE = shlex.join([sys.executable, "-m", "iterable_destination", "conformance", "serve"])


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command_line, ["conformance", "run", *arguments])


def python(program: str) -> str:
    return shlex.join([sys.executable, "-c", program])


def test_the_package_passes() -> None:
    result = run("--system", "source")
    total = len(cases("source"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == f"{total} of {total} cases pass"


def test_the_package_passes_as_a_command() -> None:
    result = run("--exec", SERVE, "--rule", "5", "--rule", "triggers")
    rows = [line.split() for line in result.stdout.splitlines() if line.strip()]
    assert result.exit_code == 0
    assert [(row[0], row[1], row[-1]) for row in rows if row[0] in {"classic", "mapped"}] == [
        ("classic", "5", "0"),
        ("mapped", "triggers", "0"),
    ]


def test_what_hosts_refuse_is_not_logged() -> None:
    command = shlex.split(SERVE)[:-1]
    done = subprocess.run(
        [*command, "run", "--system", "hosts"], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_case_that_fails_is_shown_with_its_differences(tmp_path: Path) -> None:
    program = "import json, sys\nfor line in sys.stdin: print(json.dumps("
    program += '{"id": json.loads(line)["id"], "output": {"messageId": "m1", "calls": []}}))'
    result = run("--exec", python(program), "--rule", "5", "--junit", str(tmp_path / "j.xml"))
    assert result.exit_code == 1
    assert "track-nulls-are-kept" in map(str.strip, result.stdout.splitlines())
    assert "  calls: expected [{" in result.stdout
    [suite] = ET.parse(tmp_path / "j.xml").getroot()  # noqa: S314 - it is our own
    assert suite.get("tests") == suite.get("failures") != "0"


def test_what_is_wrong_with_the_command_fails_though_every_case_passes() -> None:
    program = f"import subprocess, sys\nsubprocess.run({shlex.split(SERVE)}); sys.exit(5)"
    result = run("--exec", python(program), "--rule", "5")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-2] == "Error: the command ended with status 5"


def test_standard_error_of_the_command_is_shown() -> None:
    result = run("--exec", python("import sys; sys.stderr.write('oh\\x1b no')"), "--rule", "5")
    assert (result.exit_code, result.stderr) == (1, "oh\\x1b no\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rule", "12"], "--rule: there is no rule 12"),
        (["--system", "hosts", "--rule", "1"], "there are no such cases"),
        (["--rule", "9", "--without-departures"], "there are no such cases"),
        (["--exec", ""], "--exec: names no command"),
        (["--exec", "'"], "--exec: No closing quotation"),
        (["--exec", "/no/such"], "--exec: /no/such: No such file or directory"),
        (["--rule", "5", "--junit", "/no/such/file"], "/no/such/file: No such file or directory"),
    ],
)
def test_wrong_usage_is_said_in_one_line(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (2, f"Error: {message}\n")


def test_departures_and_what_is_not_known_of_them_are_left_out() -> None:
    def count(*arguments: str) -> int:
        return int(run("--system", "classic", *arguments).stdout.splitlines()[-1].split()[2])

    found = cases("classic")
    departing = [case for case in found if case.departure is not None]
    unknown = [case for case in departing if "unknown" in (case.original or {})]
    assert count("--without-departures") == len(found) - len(departing)
    assert count("--original") == len(found) - len(unknown) < len(found)
    left_out = f"{len(unknown)} cases are left out: what the original gives is not known"
    assert left_out in run("--system", "classic", "--original").stdout.splitlines()


def test_serve_answers_requests() -> None:
    [case] = [case for case in cases("classic") if case.id == "track-nulls-are-kept"]
    given = json.dumps(case.request)
    result = CliRunner().invoke(command_line, ["conformance", "serve"], input=given)
    assert json.loads(result.stdout) == {"id": case.id, "output": case.output}
