"""The files of the suite fit each other, their schemas, and the package."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from iterable_destination.conformance import SYSTEMS, cases
from iterable_destination.conformance.cases import read_rules
from iterable_destination.mapping.actions import PRESETS_JSON
from tests.support.conformance_files import FILES, ROOT

SUITE = ROOT / "conformance"
FOUND = {path.stem: path for name in SYSTEMS for path in sorted((SUITE / name).glob("*.json"))}
CASES = cases()
DOCS = ROOT / "docs"


def read(name: str) -> Any:
    return json.loads((SUITE / name).read_bytes())


def validator(name: str) -> Draft202012Validator:
    schema = read(name)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


CASE = validator("case.schema.json")
REQUEST = validator("requests.schema.json")


def problems(checker: Draft202012Validator, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(value)]


def test_there_are_cases_of_every_system_and_no_id_twice() -> None:
    assert {case.system for case in CASES} == set(SYSTEMS)
    assert [name for name, times in Counter(case.id for case in CASES).items() if times > 1] == []
    assert len(FOUND) == len(CASES) > 600


@pytest.mark.parametrize("name", FOUND)
def test_a_case_is_valid_by_the_schema_and_written_like_the_others(name: str) -> None:
    text = FOUND[name].read_text("utf-8")
    case = json.loads(text)
    assert problems(CASE, case) == []
    written = json.dumps(case, indent=2, ensure_ascii=False) + "\n"
    assert re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", written) == text
    order = list(CASE.schema["properties"])
    assert list(case) == [key for key in order if key in case]


@pytest.mark.parametrize("name", FOUND)
def test_a_case_has_what_its_system_needs(name: str) -> None:
    case, system = json.loads(FOUND[name].read_bytes()), FOUND[name].parent.name
    assert ("host" in case) == (system == "hosts")
    assert ("presets" in case or "subscriptions" in case) == (system == "mapped")
    assert read_rules()[case["rule"]]["system"] == system


@pytest.mark.parametrize(
    "broken",
    [
        {"shows": "no full stop"},
        {"rule": None},
        {"output": {"messageId": "m1"}},
        {"output": {"calls": []}},
        {"original": {"output": {"calls": []}}},
        {"departure": "It differs.", "original": {}},
        {"presets": True, "subscriptions": []},
        {"else": 1},
    ],
    ids=str,
)
def test_what_is_no_case_is_not_valid(broken: dict[str, Any]) -> None:
    good: dict[str, Any] = {"shows": "A case.", "rule": "1", "settings": {}, "input": None}
    good |= {"output": {"messageId": None, "calls": []}}
    assert problems(CASE, good) == []
    assert problems(CASE, good | broken) != []


CALLS = [(case.id, call) for case in CASES for call in case.output.get("calls", ())]


@pytest.mark.parametrize(("name", "call"), CALLS, ids=[name for name, _ in CALLS])
def test_each_call_is_one_that_iterable_documents(name: str, call: dict[str, Any]) -> None:
    request = {key: call[key] for key in ("method", "path", "body")}
    assert (name, problems(REQUEST, request)) == (name, [])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"eventName": 5},
        {"eventName": "Seen", "createdAt": 1.5},
        {"eventName": "Seen", "createdAt": 2**63},
        {"eventName": "Seen", "unheard": 1},
        {"eventName": "Seen", "dataFields": []},
        {"eventName": "Seen", "email": None},
    ],
    ids=str,
)
def test_a_body_that_iterable_refuses_is_not_valid(body: dict[str, Any]) -> None:
    request = {"method": "POST", "path": "/api/events/track", "body": {"eventName": "Seen"}}
    assert problems(REQUEST, request) == []
    assert problems(REQUEST, request | {"body": body}) != []


@pytest.mark.parametrize("name", FILES)
def test_what_is_made_from_the_package_is_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == FILES[name]()


def test_presets_are_put_in_for_a_case_that_asks_for_them() -> None:
    asking = {name for name, path in FOUND.items() if "presets" in json.loads(path.read_bytes())}
    assert asking
    given = {case.id for case in CASES if case.subscriptions == list(PRESETS_JSON)}
    assert given == asking


def headings(page: Path) -> set[str]:
    found = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9_ -]", "", each.lower()).replace(" ", "-") for each in found}


@pytest.mark.parametrize("rule", read_rules())
def test_a_rule_has_a_page_and_cases(rule: str) -> None:
    described = read_rules()[rule]
    page, _, place = described["page"].partition("#")
    assert place == "" or place in headings(ROOT / page)
    assert any(case.rule == rule for case in CASES)


#: Of Segment's public spec: how many events there are of each part.
SPEC = {"ecommerce": 28, "b2b": 10, "mobile": 13, "video": 17}


@pytest.mark.parametrize("part", SPEC)
def test_every_event_of_segments_spec_has_a_case_that_sends_it(part: str) -> None:
    found = [case for case in CASES if case.id.startswith(f"spec-{part}-")]
    assert len({case.input["event"] for case in found}) == len(found) == SPEC[part]
    for case in found:
        assert case.shows.startswith(f"{case.input['event']} of Segment's ")
        assert len(case.output["calls"]) == 1


def test_the_version_has_three_numbers() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", (SUITE / "VERSION").read_text("ascii"))


def test_the_readme_names_every_key_of_a_case() -> None:
    text = (SUITE / "README.md").read_text("utf-8")
    table = text.partition("## A case")[2].partition("## What a runner")[0]
    assert [key for key in CASE.schema["properties"] if f"`{key}`" not in table] == ["presets"]
