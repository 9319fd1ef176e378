"""The commands for the suite of cases: ``iterable-destination conformance``."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import click

from iterable_destination.cli import console
from iterable_destination.cli.help import make_epilog
from iterable_destination.cli.option_groups import group_options
from iterable_destination.cli.options import SOME_FAILED, complete_file, stop
from iterable_destination.conformance import SYSTEMS, Case, Result, answer, cases
from iterable_destination.conformance import run as run_here
from iterable_destination.conformance.asking import Conversation, ask
from iterable_destination.conformance.cases import read_rules, select
from iterable_destination.conformance.junit import build_junit
from iterable_destination.conformance.running import find_judged, judge
from iterable_destination.conformance.serving import answer_lines


@click.group()
def conformance() -> None:
    """The mapping as cases, for any implementation of it in any language."""
    # What the functions for hosts warn of is part of the cases.
    logging.getLogger("iterable_destination").addHandler(logging.NullHandler())


@attrs.frozen
class CaseOptions:
    """Which cases are run, and what is expected of them."""

    system: str | None
    rules: tuple[str, ...]
    without_departures: bool
    original: bool
    without_notes: bool

    def choose(self) -> list[Case]:
        """Return the cases; end the program if there is no such rule."""
        known = {part for name in read_rules() for part in (name, name.partition(".")[0])}
        for rule in self.rules:
            if rule not in known:
                stop(f"--rule: there is no rule {rule}")
        return select(
            cases(self.system), self.rules, departures=lambda _: not self.without_departures
        )

    def judge(self, case: Case, answered: Mapping[str, Any]) -> Result:
        """Return the result of a case for an answer."""
        return judge(case, answered, notes=not self.without_notes, original=self.original)

    def run_here(self, chosen: Sequence[Case]) -> list[Result]:
        """Return the results of this package."""
        return run_here(answer, chosen, notes=not self.without_notes, original=self.original)


_case_options = group_options(
    "options",
    CaseOptions,
    click.option("--system", type=click.Choice(SYSTEMS), help="Only the cases of this system."),
    click.option(
        "--rule",
        "rules",
        metavar="RULE",
        multiple=True,
        help="Only the cases of this rule; may be given several times.",
    ),
    click.option("--without-departures", is_flag=True, help="Leave out cases with a departure."),
    click.option(
        "--original",
        is_flag=True,
        help="Expect what Segment's original gives; leave out cases of which that is not known.",
    ),
    click.option("--without-notes", is_flag=True, help="Do not compare notes."),
)


@conformance.command(
    epilog=make_epilog(
        "0 every case comes out as it should, 1 some do not, 2 wrong usage, or no cases",
        "conformance run --exec 'node serve.mjs' --system classic",
        "conformance run --exec ./mapping --original --junit conformance.xml",
    )
)
@click.option(
    "--exec",
    "command",
    metavar="COMMAND",
    help="The implementation: reads a request a line, and writes an answer a line. Without it,"
    " this package.",
)
@_case_options
@click.option(
    "--junit",
    metavar="FILE",
    shell_complete=complete_file,
    help="Write the results to FILE too, as JUnit XML.",
)
@click.option(
    "--timeout",
    type=click.IntRange(1, 3_600),
    default=30,
    show_default=True,
    help="Seconds without an answer after which COMMAND is stopped.",
)
def run(command: str | None, options: CaseOptions, junit: str | None, timeout: int) -> None:
    """Run an implementation over the cases, and say where it differs.

    COMMAND is started once. It gets all requests on standard input, and writes its answers to
    standard output, in any order. A table has the numbers by rule; below it each case that fails,
    with its differences.
    """
    chosen = options.choose()
    judged = find_judged(chosen, original=options.original)
    if not judged:
        stop("there are no such cases")
    faults: Sequence[str] = ()
    if command is None:
        results = options.run_here(judged)
    else:
        conversation = _ask(command, judged, timeout)
        faults = conversation.faults
        results = [options.judge(case, conversation.answers[case.id]) for case in judged]
    if junit is not None:
        _write(junit, build_junit(results, faults))
    _report(results, faults, left_out=len(chosen) - len(judged))
    sys.exit(SOME_FAILED if faults or any(result.differences for result in results) else 0)


def _ask(command: str, chosen: Sequence[Case], timeout: int) -> Conversation:
    """Ask a command about cases; end the program if it cannot be started."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        stop(f"--exec: {error}")
    if not words:
        stop("--exec: names no command")
    requests = [case.request for case in chosen]
    try:
        return ask(words, requests, timeout=timeout, on_stderr=_show_stderr)
    except OSError as error:
        stop(f"--exec: {words[0]}: {error.strerror}")


def _show_stderr(line: str) -> None:
    click.echo(console.escape_unprintable(line), err=True)


def _write(path: str, content: bytes) -> None:
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        stop(f"{path}: {error.strerror}")


def _report(results: Sequence[Result], faults: Sequence[str], *, left_out: int) -> None:
    rules = read_rules()
    by_rule: dict[str, list[Result]] = {name: [] for name in rules}
    for result in results:
        by_rule[result.case.rule].append(result)
    rows = [
        (rules[name]["system"], name, rules[name]["title"], f"{len(found)}", f"{_failed(found)}")
        for name, found in by_rule.items()
        if found
    ]
    console.print_table("Cases by rule", ("system", "rule", "title", "cases", "failed"), rows)
    failed = [result for result in results if result.differences]
    if failed:
        items = [(result.case.id, (result.case.shows, *result.differences)) for result in failed]
        console.print_items("Cases that come out otherwise", items)
    for fault in faults:
        console.print_line(f"Error: {fault}")
    if left_out:
        console.print_line(f"{left_out} cases are left out: what the original gives is not known")
    console.print_line(f"{len(results) - len(failed)} of {len(results)} cases pass")


def _failed(results: Sequence[Result]) -> int:
    return sum(bool(result.differences) for result in results)


@conformance.command(epilog=make_epilog("0 always", "conformance serve"))
def serve() -> None:
    """Answer the requests on standard input, as this package.

    For each line one answer is written. It is what `run --exec` starts, and shows how an
    implementation is asked.
    """
    for line in answer_lines(sys.stdin.buffer):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
