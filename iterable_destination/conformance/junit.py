"""Results as JUnit XML, which CI servers read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from iterable_destination.conformance.running import Result

#: What XML 1.0 cannot hold, even escaped.
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ROOT: Final = "conformance"


def build_junit(results: Sequence[Result], faults: Sequence[str] = ()) -> bytes:
    """Return results as JUnit XML: a suite for each system, a test for each case.

    ``faults`` are of the implementation as a whole; they are one failed test more.
    """
    root = ET.Element("testsuites", name=_ROOT)
    systems = dict.fromkeys(result.case.system for result in results)
    for system in systems:
        suite = ET.SubElement(root, "testsuite", name=f"{_ROOT}.{system}")
        for result in results:
            case = result.case
            if case.system == system:
                _add_test(suite, f"{_ROOT}.{system}.{case.rule}", case.id, result.differences)
    if faults:
        _add_test(ET.SubElement(root, "testsuite", name=_ROOT), _ROOT, "protocol", faults)
    for suite in root:
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _add_test(suite: ET.Element, place: str, name: str, differences: Sequence[str]) -> None:
    test = ET.SubElement(suite, "testcase", classname=place, name=name)
    if differences:
        text = "\n".join(_NOT_IN_XML.sub("\ufffd", each) for each in differences)
        failure = ET.SubElement(test, "failure", message=text.partition("\n")[0])
        failure.text = text
