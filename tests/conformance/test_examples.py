"""The implementations in other languages run the suite, and compare as the package does."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from iterable_destination.cli.main import command_line
from iterable_destination.conformance import cases, compare
from iterable_destination.conformance.cases import select
from iterable_destination.conformance.running import find_expected
from tests.conformance.test_comparing import DIFFERENT, SAME
from tests.support.conformance_files import ROOT

EXAMPLES = ROOT / "conformance" / "examples"
JAVASCRIPT = EXAMPLES / "javascript"
#: What the example in JavaScript implements.
RULES = ("5", "7")
#: Cases with values that JavaScript reads as others.
BEYOND_JAVASCRIPT = {
    "directive-path-to-a-large-whole-number",
    "webhook-half-surrogate-is-invalid",
}
#: Cases with values that no jq reads, or none before 1.7.
BEYOND_JQ = {
    "directive-path-to-a-large-whole-number",
    "item-whole-number-of-thirty-digits-as-a-text",
    "webhook-half-surrogate-is-invalid",
}
COMPARE = """
import { readFileSync } from "node:fs";
import { compare } from "./suite.mjs";
const pairs = JSON.parse(readFileSync(0, "utf8"));
const options = JSON.parse(process.argv[1]);
const fits = ([expected, given]) => compare(expected, given, options).length === 0;
console.log(JSON.stringify(pairs.map(fits)));
"""


def find(program: str) -> str:
    found = shutil.which(program)
    assert found is not None, f"these tests need {program}: apt-get install nodejs jq"
    return found


def run(*command: str, folder: Path = JAVASCRIPT, **variables: str) -> tuple[int, str, str]:
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_javascript_runs_each_case_of_its_rules_as_a_test() -> None:
    status, printed, _ = run(find("node"), "--test", "--test-reporter=tap")
    total = len(select(cases("classic"), RULES))
    assert status == 0, printed
    assert {f"# tests {total}", f"# pass {total}"} <= set(printed.splitlines())


def test_a_command_in_javascript_passes_its_rules() -> None:
    command = shlex.join([find("node"), str(JAVASCRIPT / "serve.mjs")])
    chosen = [argument for rule in RULES for argument in ("--rule", rule)]
    arguments = ["conformance", "run", "--exec", command, *chosen]
    result = CliRunner().invoke(command_line, arguments)
    assert result.exit_code == 0, result.output
    others = CliRunner().invoke(command_line, [*arguments, "--rule", "4"])
    assert others.exit_code == 1


@pytest.mark.parametrize("options", [{}, {"notes": False}, {"original": True}], ids=str)
def test_javascript_compares_as_the_package_does(options: dict[str, bool]) -> None:
    chosen = [case for case in cases() if case.id not in BEYOND_JAVASCRIPT]
    outputs: list[Any] = [case.output for case in chosen]
    pairs = [*SAME, *((expected, given) for expected, given, _ in DIFFERENT)]
    pairs += [(output, output) for output in outputs]
    pairs += [
        (case.original["output"], case.output)
        for case in chosen
        if options.get("original") and case.original is not None and "output" in case.original
    ]
    pairs += list(pairwise(outputs))
    done = subprocess.run(
        [find("node"), "--input-type=module", "-e", COMPARE, json.dumps(options)],
        cwd=JAVASCRIPT,
        input=json.dumps(pairs),
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    ours = [compare(expected, given, **options) == [] for expected, given in pairs]
    assert json.loads(done.stdout) == ours
    assert ours.count(True) > len(outputs)
    assert ours.count(False) > len(outputs) / 2


def test_javascript_knows_what_the_original_gives() -> None:
    program = 'import { loadCases, outputOfOriginal } from "./suite.mjs";'
    program += (
        'const pairs = loadCases("classic").map((each) => [each.id, outputOfOriginal(each)]);'
    )
    program += "console.log(JSON.stringify(Object.fromEntries(pairs)))"
    _, printed, _ = run(find("node"), "--input-type=module", "-e", program)
    outputs = {case.id: find_expected(case, original=True) for case in cases("classic")}
    assert json.loads(printed) == {name: each for name, each in outputs.items() if each}


@pytest.mark.parametrize(
    ("rules", "status", "last"),
    [("5 7", 0, "{0} of {0} cases pass"), ("4", 1, "0 of {0} cases pass")],
)
def test_a_shell_script_runs_a_command_over_the_cases(rules: str, status: int, last: str) -> None:
    find("jq")
    command = ("sh", str(EXAMPLES / "shell" / "run.sh"), "classic", find("node"), "serve.mjs")
    done, printed, _ = run(*command, RULES=rules)
    total = len(select(cases("classic"), tuple(rules.split())))
    assert (done, printed.splitlines()[-1]) == (status, last.format(total))


def test_a_shell_script_that_runs_nothing_says_so() -> None:
    find("jq")
    command = ("sh", str(EXAMPLES / "shell" / "run.sh"), "classic", "true")
    assert run(*command, RULES="12")[:2] == (2, "")


@pytest.mark.parametrize("system", ["classic", "mapped", "source", "hosts"])
def test_a_shell_script_names_the_cases_that_its_jq_cannot_read(system: str) -> None:
    find("jq")
    serve = (sys.executable, "-m", "iterable_destination", "conformance", "serve")
    command = ("sh", str(EXAMPLES / "shell" / "run.sh"), system, *serve)
    done, printed, errors = run(*command, folder=ROOT)
    left_out = {line.rpartition(" ")[2] for line in errors.splitlines() if "left out" in line}
    assert left_out <= BEYOND_JQ
    total = len(cases(system)) - len(left_out)
    assert (done, printed) == (0, f"{total} of {total} cases pass\n")
