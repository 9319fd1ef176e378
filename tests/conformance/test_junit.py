"""Results are written as JUnit XML."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from iterable_destination.conformance import Result, cases
from iterable_destination.conformance.junit import build_junit

CASES = {case.id: case for case in cases()}
PASSED = Result(CASES["track-nulls-are-kept"], ())
FAILED = Result(CASES["who-user-id"], ("a: expected 1, not 2", 'b: not "\x00\ud800<"'))


def read(results: list[Result], faults: Sequence[str] = ()) -> ET.Element:
    return ET.fromstring(build_junit(results, faults))  # noqa: S314 - it is our own


def test_each_case_is_a_test_in_the_suite_of_its_system() -> None:
    root = read([PASSED, FAILED])
    classic, source = root
    assert (classic.attrib, source.attrib) == (
        {"name": "conformance.classic", "tests": "1", "failures": "0"},
        {"name": "conformance.source", "tests": "1", "failures": "1"},
    )
    [test] = classic
    assert test.attrib == {"classname": "conformance.classic.5", "name": "track-nulls-are-kept"}
    failure = source.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "a: expected 1, not 2"
    assert failure.text == 'a: expected 1, not 2\nb: not "\ufffd\ufffd<"'


def test_what_is_wrong_with_the_whole_is_a_failed_test() -> None:
    [_, suite] = read([PASSED], ["the command ended with status 3"])
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.text == "the command ended with status 3"
